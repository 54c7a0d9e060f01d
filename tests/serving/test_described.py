"""Requests made from the OpenAPI description, valid and not: no answer is a fault or not as described."""

import pytest
from hypothesis import HealthCheck, given, settings

schemathesis = pytest.importorskip("schemathesis", reason="needs `pip install 'kerasrec[dev]'`")


# No 500, whatever comes, and no answer but those that are described.
_CHECKS = [
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
]


@pytest.mark.processes
@pytest.mark.parametrize("mode", ["POSITIVE", "NEGATIVE"])
def test_requests_made_from_the_description(client, mode):
    described = schemathesis.openapi.from_asgi("/openapi.json", client.app)
    asked = set()
    for found in described.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=8,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode[mode]))
        def is_answered(case):
            asked.add(case.operation.label)
            case.call_and_validate(checks=_CHECKS)

        if mode == "POSITIVE" or operation.body or list(operation.iter_parameters()):
            is_answered()
    assert {"GET /v1/recommend/{user}", "POST /v1/recommend", "POST /v1/history", "POST /v1/events"} <= asked
