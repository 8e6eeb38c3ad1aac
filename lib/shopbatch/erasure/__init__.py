"""Erases persons from a warehouse (`shopbatch erase`), checks that they are gone, and records it without their ids."""
