import sys
import os

__all__ = ['sys', 'os']
