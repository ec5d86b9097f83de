# SPDX-License-Identifier: GPL-2.0-only
"""As much of a kubelet as starts a pod: the calls of the Container Runtime
Interface (k8s.io/cri-api, runtime/v1/api.proto), gRPC over HTTP/2 over a unix
socket, messages put together by hand."""

import socket

import h2.config
import h2.connection
import h2.events


class CriError(Exception):
    pass


def varint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes(out + bytes([n]))


def message(fields):
    """{field number: str, int, a dict (message), or a list of those} in protobuf."""
    out = b""
    for number, value in fields.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, int):
                out += varint(number << 3) + varint(each)
                continue
            data = message(each) if isinstance(each, dict) else each.encode()
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def first_string(data):
    """Field 1 of a message that has no other: the id in an answer."""
    assert not data or (data[0] == 0x0A and data[1] == len(data) - 2), data
    return data[2:].decode()


class Cri:
    def __init__(self, lab, sock):
        # The socket is in the lab's /run: seen from here through its root.
        self.path = f"/proc/{lab.holder.pid}/root{sock}"

    def call(self, method, fields):
        """Returns the answer's bytes, or raises what the server says."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(self.path)
            conn = h2.connection.H2Connection(
                h2.config.H2Configuration(header_encoding="utf-8"))
            conn.initiate_connection()
            body = message(fields)
            conn.send_headers(1, [
                (":method", "POST"), (":scheme", "http"), (":authority", "localhost"),
                (":path", f"/runtime.v1.RuntimeService/{method}"),
                ("content-type", "application/grpc"), ("te", "trailers")])
            conn.send_data(1, b"\0" + len(body).to_bytes(4, "big") + body,
                           end_stream=True)
            return self._answer(s, conn)

    def _answer(self, s, conn):
        data, headers = b"", {}
        while True:
            s.sendall(conn.data_to_send())
            received = s.recv(65536)
            if not received:
                raise CriError("the server hung up")
            for event in conn.receive_data(received):
                if isinstance(event, h2.events.DataReceived):
                    data += event.data
                    conn.acknowledge_received_data(event.flow_controlled_length, 1)
                elif isinstance(event, (h2.events.ResponseReceived,
                                        h2.events.TrailersReceived)):
                    headers.update(event.headers)
                elif isinstance(event, h2.events.StreamEnded):
                    if headers.get("grpc-status") != "0":
                        raise CriError(headers.get("grpc-message", str(headers)))
                    return data[5:]

    def run_pod(self, namespace, pod, cgroup):
        """PodSandboxConfig and the sandbox's id."""
        config = {1: {1: pod, 2: f"uid-{pod}", 3: namespace}, 2: pod,
                  4: {1: ["10.77.53.53"]},
                  8: {1: cgroup, 2: {1: {1: 0}}}}
        return config, first_string(self.call("RunPodSandbox", {1: config}))

    def run_container(self, sandbox, config, name, image, command):
        ident = first_string(self.call("CreateContainer", {
            1: sandbox, 2: {1: {1: name}, 2: {1: image}, 3: list(command)}, 3: config}))
        self.call("StartContainer", {1: ident})
        return ident

    def remove_pod(self, sandbox):
        self.call("StopPodSandbox", {1: sandbox})
        self.call("RemovePodSandbox", {1: sandbox})
