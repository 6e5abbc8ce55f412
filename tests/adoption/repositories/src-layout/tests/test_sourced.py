from sourced import greeting


def test_greeting(name):
    assert greeting(name) == "Hello, Ada"
