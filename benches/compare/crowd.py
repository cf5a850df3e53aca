"""Many connections at once, from one thread: what is asked, in how much time it was answered, and with which status."""

import multiprocessing
import os
import select
import socket
import ssl
import time
from collections import Counter


class Caller:
    """One connection. `urls` gives what it asks next, `headers` go with it."""

    def __init__(self, address, headers, urls, tls=None, pause=0.0):
        self.socket = socket.create_connection(address, timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.socket.setblocking(False)
        self.head = f"Host: {address[0]}:{address[1]}\r\n{headers}\r\n"
        self.urls, self.pause = urls, pause
        self.received, self.length, self.begun, self.next = bytearray(), None, None, 0.0

    def ask(self):
        self.received, self.length, self.begun = bytearray(), None, time.perf_counter()
        self.socket.send(f"GET {next(self.urls)} HTTP/1.1\r\n{self.head}".encode())

    def read(self):
        """Returns the status if the answer is whole, `None` if it is not, 0 if the connection has ended."""
        while True:
            try:
                piece = self.socket.recv(1 << 18)
            except (BlockingIOError, ssl.SSLWantReadError):
                return None
            except OSError:
                return 0
            if not piece:
                return 0
            self.received += piece
            if self.length is None and (end := self.received.find(b"\r\n\r\n")) >= 0:
                head = self.received[:end].decode("latin-1").lower()
                self.length = end + 4 + int(head.split("content-length:", 1)[1].split("\r\n", 1)[0])
            if self.length is not None and len(self.received) >= self.length:
                return int(self.received[9:12])


class Crowd:
    """What a group of callers saw: seconds of the answers with 200, and how many of each status (0: none came)."""

    def __init__(self, callers):
        self.callers, self.seconds, self.statuses, self.span = callers, [], Counter(), 0.0

    def rate(self):
        return self.statuses[200] / self.span

    def close(self):
        for caller in self.callers:
            caller.socket.close()


def run(crowds, seconds, patience=60):
    """Lets crowds ask at once for so long, and waits for what is still to be answered."""
    poll, of, waiting = select.epoll(), {}, 0
    for crowd in crowds:
        for caller in crowd.callers:
            of[caller.socket.fileno()] = (crowd, caller)
            poll.register(caller.socket, select.EPOLLIN)
    started = time.perf_counter()
    end, last, resting = started + seconds, started + seconds + patience, []
    for _, caller in of.values():
        caller.ask()
        waiting += 1
    while (waiting or resting) and (now := time.perf_counter()) < last:
        due = [caller for caller in resting if caller.next <= now]
        resting = [caller for caller in resting if caller.next > now and now < end]
        for caller in due if now < end else []:
            caller.ask()
            waiting += 1
        wait = min((caller.next for caller in resting), default=now + 1) - now
        for number, _ in poll.poll(max(wait, 0)):
            crowd, caller = of[number]
            if (status := caller.read()) is None:
                continue
            if caller.begun is not None:
                waiting -= 1
                now = time.perf_counter()
                crowd.statuses[status] += 1
                if status == 200:
                    crowd.seconds.append(now - caller.begun)
                caller.next, caller.begun = caller.begun + caller.pause, None
                if status and now < end:
                    if caller.next > now:
                        resting.append(caller)
                    else:
                        caller.ask()
                        waiting += 1
            if not status:
                poll.unregister(number)
    for crowd in crowds:
        crowd.statuses[0] += sum(caller.begun is not None for caller in crowd.callers)
        crowd.span = time.perf_counter() - started
    poll.close()


class Beside:
    """A crowd in a process of its own, which gives way to all others as if it were another machine."""

    def __init__(self, make, seconds):
        context = multiprocessing.get_context("fork")
        self.crowd = Crowd([])
        self.pipe, end = context.Pipe()
        self.process = context.Process(target=self.work, args=(make, seconds, end), daemon=True)
        self.process.start()
        # It asks once all of it is connected.
        self.pipe.recv()

    def work(self, make, seconds, end):
        os.nice(10)
        crowd = Crowd(make())
        end.send(None)
        run([crowd], seconds)
        end.send((crowd.statuses, crowd.span))

    def ended(self):
        """Waits for its end; returns what it saw, without times."""
        self.crowd.statuses, self.crowd.span = self.pipe.recv()
        self.process.join()
        return self.crowd
