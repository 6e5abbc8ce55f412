"""Run a command at a terminal and type a password: `terminal.py PASSWORD COMMAND...`."""

import os
import pty
import select
import signal
import sys
import termios


def main(password: str, *command: str) -> int:
    """Print what the command prints; type once it no longer shows what is typed. Returns the command's exit status."""
    signal.alarm(60)
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)
    seen, typed = "", False
    while True:
        if not typed and not termios.tcgetattr(terminal)[3] & termios.ECHO:
            os.write(terminal, f"{password}\r".encode())
            typed = True
        if not select.select([terminal], [], [], 0.05)[0]:
            continue
        try:
            part = os.read(terminal, 4096)
        except OSError:  # Linux says so when the other end is closed
            break
        if not part:
            break
        seen += part.decode(errors="replace")
    print(seen)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
