"""Verification: does the registry hold what the stack promises, and is it what the recorded inputs give?"""
