"""Holds a running server to its own OpenAPI document: no 5xx, no answer of another shape, no undocumented status.

usage: openapi.py URL EXAMPLES
"""

import subprocess
import sys

url, examples = sys.argv[1], sys.argv[2]
checks = ",".join(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "response_headers_conformance",
        "unsupported_method",
    ]
)
command = [
    sys.executable, "-m", "schemathesis.cli", "run", f"{url}/api/v1/openapi.json",
    "--checks", checks, "--max-examples", examples, "--phases", "examples,coverage,fuzzing",
    "--seed", "1", "--generation-database", "none", "--no-color", "--workers", "2",
]
sys.exit(subprocess.run(command, check=False).returncode)
