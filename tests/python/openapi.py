"""Holds a running server to its own OpenAPI document: no 5xx, no answer of another shape, no undocumented status.

usage: openapi.py URL EXAMPLES
"""

import subprocess
import sys
import tempfile

url, examples = sys.argv[1], sys.argv[2]
checks = ",".join(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "response_headers_conformance",
    ]
)


def run(*options):
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{url}/api/v1/openapi.json",
        "--checks", checks, "--max-examples", examples,
        "--seed", "1", "--generation-database", "none", "--no-color", "--workers", "2", *options,
        # Hypothesis refuses to go on when its own making of requests takes long, which a busy machine is enough for.
        "--suppress-health-check", "too_slow",
    ]
    # It keeps notes where it runs. What hangs must fail, not wait for whoever runs this to lose patience.
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(command, check=False, timeout=1200, cwd=folder).returncode


# Bodies hold groups that hold groups: to cover each combination of their keys at each depth would take hours, so what has a
# body is asked at random only.
codes = [
    run("--include-method", "GET", "--phases", "examples,coverage,fuzzing"),
    run("--exclude-method", "GET", "--phases", "examples,fuzzing"),
]
sys.exit(max(codes, key=abs))
