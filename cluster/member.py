"""A member of load balancers: `python member.py NAME` tells its name over TCP and UDP on port 7000.

Over TCP it sends its name when a connection begins, and each line back. nginx serves HTTP on port 80 beside it.
"""

import socket
import socketserver
import sys
import threading

PORT = 7000


def main(name: str) -> None:
    """Serve for ever."""

    class Lines(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(f"{name}\n".encode())
            for line in self.rfile:
                self.wfile.write(line)

    class Datagrams(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            content, answering = self.request
            answering.sendto(f"{name} ".encode() + content, self.client_address)

    class Streams(socketserver.ThreadingTCPServer):
        allow_reuse_address = daemon_threads = True
        request_queue_size = 512

        def handle_error(self, request: object, client_address: object) -> None:
            """Connections end in any way, which is no error here."""

    datagrams = socketserver.UDPServer(("", PORT), Datagrams)
    datagrams.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    threading.Thread(target=datagrams.serve_forever, daemon=True).start()
    Streams(("", PORT), Lines).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
