"""A subscriber at headquarters in eighty lines: MQTT 3.1.1, QoS 0, Python's standard library only.

It exists to show that anybody can read the headquarters topics without our code; it is also what
the demonstration's own check listens with."""

import json
import socket
import struct
import threading
import time

KEEP_ALIVE_S = 20


def _field(text):
    data = text.encode()
    return struct.pack("!H", len(data)) + data


def _packet(kind, body):
    length, rest = b"", len(body)
    while True:
        rest, digit = divmod(rest, 128)
        length += bytes([digit | (0x80 if rest else 0)])
        if not rest:
            return bytes([kind]) + length + body


class Subscriber(threading.Thread):
    """Calls `heard(topic, document)` for every JSON message on `topic_filter`; reconnects by itself."""

    def __init__(self, host, port, topic_filter, heard):
        super().__init__(daemon=True)
        self.address, self.topic_filter, self.heard = (host, port), topic_filter, heard
        self.stopped = threading.Event()
        self.messages = 0

    def run(self):
        while not self.stopped.is_set():
            try:
                self._session()
            except (OSError, ValueError):
                time.sleep(0.5)

    def _session(self):
        with socket.create_connection(self.address, timeout=5) as connection:
            connection.settimeout(1)
            hello = _field("MQTT") + bytes([4, 2]) + struct.pack("!H", KEEP_ALIVE_S) + _field(f"demo-{id(self)}")
            connection.sendall(_packet(0x10, hello))
            connection.sendall(_packet(0x82, struct.pack("!H", 1) + _field(self.topic_filter) + b"\0"))
            buffer, pinged = b"", time.monotonic()
            while not self.stopped.is_set():
                if time.monotonic() - pinged > KEEP_ALIVE_S / 2:
                    connection.sendall(_packet(0xC0, b""))
                    pinged = time.monotonic()
                try:
                    piece = connection.recv(65536)
                except socket.timeout:
                    continue
                if not piece:
                    return
                buffer = self._take(buffer + piece)

    def _take(self, buffer):
        """Handles every whole packet at the head of the buffer and returns the rest."""
        while len(buffer) >= 2:
            length, shift, head = 0, 0, 1
            while head < len(buffer):
                digit = buffer[head]
                length |= (digit & 0x7F) << shift
                shift, head = shift + 7, head + 1
                if not digit & 0x80:
                    break
            else:
                return buffer
            if len(buffer) < head + length:
                return buffer
            if buffer[0] & 0xF0 == 0x30:
                self._published(buffer[0], buffer[head:head + length])
            buffer = buffer[head + length:]
        return buffer

    def _published(self, flags, body):
        size = struct.unpack("!H", body[:2])[0]
        topic = body[2:2 + size].decode()
        payload = body[2 + size + (2 if flags & 0x06 else 0):]
        self.messages += 1
        if payload:
            try:
                self.heard(topic, json.loads(payload))
            except json.JSONDecodeError:
                pass
