"""A bad cable: passes Ethernet frames between two devices, late, in another order, twice, or not at all.

This kernel may have no netem, and an unprivileged user may not open /dev/net/tun; raw packet sockets on a virtual
cable need neither. Only TCP suffers: address resolution is let through at once, or every fault would begin with it.

Usage: wire.py LEFT RIGHT [--delay MS] [--jitter MS] [--loss P] [--reorder P] [--duplicate P] [--rate KBIT] [--seed N]
Chances are between 0 and 1; the delay is that of one direction.
"""
import argparse
import heapq
import random
import select
import socket
import time

ETH_P_ALL = 3
ETHERTYPE_IPV4 = b"\x08\x00"
PROTOCOL_TCP = 6
PACKET_OUTGOING = 4
# How many octets wait for a slow line before it drops, as a modem's buffer would: a quarter of a second at least.
QUEUE_SECONDS = 0.5
REORDER_EARLY_SECONDS = 0.020


def open_device(name: str) -> socket.socket:
    device = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    device.bind((name, ETH_P_ALL))
    device.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    device.setblocking(False)
    return device


def suffers(frame: bytes) -> bool:
    return len(frame) > 34 and frame[12:14] == ETHERTYPE_IPV4 and frame[23] == PROTOCOL_TCP


class Wire:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.random = random.Random(options.seed)
        self.waiting: list[tuple[float, int, socket.socket, bytes]] = []
        self.count = 0
        self.last_due = {}
        self.line_free = {}

    def take(self, frame: bytes, out: socket.socket, now: float) -> None:
        if not suffers(frame):
            self.put(now, out, frame)
            return
        if self.random.random() < self.options.loss:
            return
        due = self.leaves_line(frame, out, now)
        if due is None:
            return
        due += self.options.delay / 1000
        if self.random.random() < self.options.reorder:
            # One that overtakes: it does not wait for those before it, and is early besides.
            self.put(max(now, due - max(REORDER_EARLY_SECONDS, self.options.jitter / 1000)), out, frame)
        else:
            due += self.random.random() * self.options.jitter / 1000
            # Jitter alone keeps the order, as a queue does.
            due = self.last_due[out] = max(due, self.last_due.get(out, 0))
            self.put(due, out, frame)
        if self.random.random() < self.options.duplicate:
            self.put(due + 0.001, out, frame)

    def leaves_line(self, frame: bytes, out: socket.socket, now: float) -> float | None:
        if not self.options.rate:
            return now
        begins = max(now, self.line_free.get(out, 0))
        if begins - now > QUEUE_SECONDS:
            return None
        self.line_free[out] = begins + len(frame) * 8 / (self.options.rate * 1000)
        return self.line_free[out]

    def put(self, due: float, out: socket.socket, frame: bytes) -> None:
        self.count += 1
        heapq.heappush(self.waiting, (due, self.count, out, frame))

    def send_due(self, now: float) -> float:
        while self.waiting and self.waiting[0][0] <= now:
            _, _, out, frame = heapq.heappop(self.waiting)
            try:
                out.send(frame)
            except OSError:
                pass  # a full queue or a device that is down: on a cable, a loss
        return self.waiting[0][0] - now if self.waiting else 1.0


def run(options: argparse.Namespace) -> None:
    left, right = open_device(options.left), open_device(options.right)
    other = {left: right, right: left}
    wire = Wire(options)
    poll = select.epoll()
    for device in other:
        poll.register(device.fileno(), select.EPOLLIN)
    print("ready", flush=True)
    while True:
        wait = wire.send_due(time.monotonic())
        poll.poll(max(0.0, wait))
        now = time.monotonic()
        for device, out in other.items():
            for _ in range(64):
                try:
                    frame, address = device.recvfrom(65536)
                except BlockingIOError:
                    break
                if address[2] != PACKET_OUTGOING:
                    wire.take(frame, out, now)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("left")
    parser.add_argument("right")
    for name in ("delay", "jitter", "loss", "reorder", "duplicate", "rate"):
        parser.add_argument(f"--{name}", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    try:
        run(parse())
    except KeyboardInterrupt:
        pass
