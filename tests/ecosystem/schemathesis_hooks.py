# What JSON Schema cannot say of the server's requests: loaded by schemathesis, whose requests it corrects.

import schemathesis


def whole(value):
    """To JSON Schema 5.0 is an integer; to this server, as to those whose clients it serves, it is none."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [whole(element) for element in value]
    if isinstance(value, dict):
        return {name: whole(element) for name, element in value.items()}
    return value


@schemathesis.hook
def map_body(_, body):
    return whole(body)
