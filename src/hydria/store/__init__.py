"""Rows in and out as model structs: tables made from the structs, transactions, migrations."""

from hydria.store.database import Database, Listener
from hydria.store.tables import Rows, columns, metadata, register
from hydria.store.transaction import Author, Milestone, Transaction

__all__ = ["Author", "Database", "Listener", "Milestone", "Rows", "Transaction", "columns", "metadata", "register"]
