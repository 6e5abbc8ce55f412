import smoked


def test_smoke():
    assert smoked.greeting("you").endswith("you")
