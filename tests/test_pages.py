"""The pages name only what exists: links, files, modules, commands, targets; every public name has a docstring."""

import ast
import re
import runpy
import sys
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from languages import differences
from trivium.base.errors import EXIT_CODES
from trivium.cli import app
from trivium.interop.families import NEAREST, families
from trivium.model.presets import PRESETS

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "trivium"
