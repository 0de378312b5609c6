"""The S3 clients: one class for each, which puts, gets, lists and deletes as its users do, with settings and nothing else."""

from .base import Client, Failed
from .drivers import DuckDb, JavaScript, PyArrow
from .python import AwsCli, Boto3
from .tools import Rclone, S3cmd, S5cmd

ALL = (Boto3, AwsCli, Rclone, S3cmd, S5cmd, PyArrow, DuckDb, JavaScript)
TLS = (Boto3, PyArrow)

__all__ = ["ALL", "TLS", "AwsCli", "Boto3", "Client", "DuckDb", "Failed", "JavaScript", "PyArrow", "Rclone", "S3cmd", "S5cmd"]
