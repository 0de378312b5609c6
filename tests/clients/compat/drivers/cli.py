"""The AWS CLI, loaded once: each command runs in a fork, with arguments, environment, directory and output of its own."""

import json
import os
import sys
import traceback

before = dict(os.environ)
import awscli.clidriver  # noqa: E402
import awscli.handlers  # noqa: E402, F401: what it would load at its first command

# It tells itself where its data are.
SET_BY_LOADING = {name: value for name, value in os.environ.items() if before.get(name) != value}
WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def run(arguments: list, environment: dict, directory: str, stdout: str, stderr: str):
    os.environ.clear()
    os.environ.update(environment | SET_BY_LOADING)
    os.chdir(directory)
    for number, path, how in ((0, os.devnull, os.O_RDONLY), (1, stdout, WRITE), (2, stderr, WRITE)):
        os.dup2(os.open(path, how), number)
    sys.argv = ["aws", *arguments]
    sys.exit(awscli.clidriver.main())


for line in sys.stdin:
    child = os.fork()
    if not child:
        code = 1
        try:
            run(**json.loads(line))
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
