"""Run walks: on threads of this process, on a GPU or on a Ray cluster."""

from flipsearch.executors.base import Executor, executor_named, executor_names, register_executor

__all__ = ["Executor", "executor_named", "executor_names", "register_executor"]
