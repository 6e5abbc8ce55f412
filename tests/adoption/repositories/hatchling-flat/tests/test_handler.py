from handler_base import Handler


def test_a_request_is_answered():
    assert Handler().handle({"id": 7}) == {"timeout": 30, "id": 7}
