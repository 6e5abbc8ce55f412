from os import *
import sys

def first(l):
    if not l: return None
    return l[0]
