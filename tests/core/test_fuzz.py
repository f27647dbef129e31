"""The API against its own description: whatever is sent, no answer is a crash."""

import schemathesis
from hypothesis import HealthCheck, given, settings


def test_nothing_that_is_sent_makes_a_crash(estate):
    token = estate.login("core.manager").token
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", estate.app)
    tried = 0
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=6, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(case=operation.as_strategy())
        def send(case):
            nonlocal tried
            case.path_parameters = {**(case.path_parameters or {}), "estate": estate.code}
            response = case.call(headers={"Authorization": f"Bearer {token}"})
            assert response.status_code < 500, (case.method, case.path, case.body, response.text)
            tried += 1

        send()
    assert tried > 300
