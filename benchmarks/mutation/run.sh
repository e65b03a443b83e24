#!/usr/bin/env bash
# Mutation testing of src/holdfast/stats with mutmut: small changes to the code that no test notices are listed.
#   benchmarks/mutation/run.sh WORKDIR [mutant ...]
# WORKDIR gets a copy of the statistics and their tests; nothing else of the tree is touched. PYTHON names the interpreter
# (default: python) of an environment with holdfast's dev extras and mutmut 3.8.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$1; shift
python=${PYTHON:-python}
mkdir -p "$work/src/holdfast" "$work/tests"
cp "$root/src/holdfast/__init__.py" "$root/src/holdfast/errors.py" "$work/src/holdfast/"
rm -rf "$work/src/holdfast/stats" "$work/tests/stats"
cp -r "$root/src/holdfast/stats" "$work/src/holdfast/"
cp -r "$root/tests/stats" "$work/tests/"
# Not of the statistics themselves: the table of tests.
rm -f "$work/tests/stats/test_table.py"
cp "$root/benchmarks/mutation/setup.cfg" "$root/benchmarks/mutation/conftest.py" "$work/"
cd "$work"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
"$python" -m mutmut run --max-children 1 "$@"
"$python" -m mutmut results
