# The tasks of CONTRIBUTING.md, for `just`. Every one also works without it.

# Lists the tasks.
default:
    @just --list --unsorted

# Starts everything, without faults, until Ctrl-C.
up *options:
    cargo xtask up --fresh --chaos off --fast {{ options }}

# Plays every scenario of an order and ends with the verdict.
demo:
    cargo xtask demo

# Runs every test, or those whose names contain one of the words.
test *words:
    cargo xtask test {{ words }}

# Formats the code.
fmt:
    cargo fmt --all

# Runs the lints, as CI does.
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# Checks the English of files, or of all.
prose *files:
    .ci/prose {{ files }}

# Runs everything that must pass before a change lands, or one part of it.
ci *part:
    .ci/run {{ part }}
