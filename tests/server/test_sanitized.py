# The whole server as it runs, built with a sanitizer: many clients at once, clients that go, too many of them, and SIGTERM in
# the middle of it all. A choice of the other tests: those in which threads meet. What a sanitizer finds makes the server end
# with another code than 0, which every class of tests looks at.

import sys
import unittest

from harness import ServerTest
from test_apis import Ollama
from test_batching import Cache, Companions, Lanes
from test_connections import Connections, Keys
from test_hostile import Broken, Gone, Limits
from test_overload import Full, Pieces, Stopping, Timeouts
from test_process import Around, CommandLine

CHOICE = {
    Companions: None,
    Lanes: None,
    Cache: ["test_a_repeated_text_has_the_same_bits_in_every_form"],
    Connections: None,
    Keys: ["test_either_key_opens_under_either_name"],
    Ollama: ["test_embed_takes_a_text_or_a_list", "test_the_model_is_listed"],
    Broken: ["test_bytes_that_are_no_request", "test_json_of_every_shape"],
    Limits: None,
    Gone: None,
    Full: None,
    Pieces: None,
    Stopping: ["test_what_was_taken_is_answered_before_it_ends", "test_under_load_no_request_is_lost"],
    Timeouts: None,
    Around: ["test_a_full_disk_under_the_log_stops_nothing", "test_the_model_s_files_may_go_away_once_it_runs"],
    CommandLine: ["test_tls"],
}


def load_tests(loader, _tests, _pattern):
    suite = unittest.TestSuite()
    for case, names in CHOICE.items():
        assert issubclass(case, ServerTest)
        suite.addTests(case(name) for name in names or loader.getTestCaseNames(case))
    return suite


if __name__ == "__main__":
    unittest.main(module=sys.modules[__name__])
