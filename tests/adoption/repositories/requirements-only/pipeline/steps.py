import sister

STEPS = [sister.NAME]
