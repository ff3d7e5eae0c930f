"""Xen's Python binding, as far as the product uses it, on the simulation.

The product calls
    PYTHONPATH=/usr/lib/xen-4.17/lib/python python3 -c 'import xen.lowlevel.xc as x; x.xc().domain_resume(DOMID, True)'
so the lab mounts or links this folder (test/simxen/python) at that place.
"""
import json
import os
import socket


class Error(Exception):
    """xen.lowlevel.xc.Error"""


class xc:
    """A handle to the hypervisor."""

    def domain_resume(self, domid, fast=0):
        """Resume a domain that is suspended. 0, or an Error as the real one raises it."""
        del fast
        rundir = os.environ.get("SIMXEN_RUNDIR", "/run/simxen")
        path = os.path.join(rundir, "dom", str(int(domid)), "ctl.sock")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(10)
            try:
                sock.connect(path)
            except OSError as error:
                raise Error(3, "No such process") from error
            sock.sendall(b'{"op":"resume"}\n')
            reply = self._reply(sock)
        if not reply.get("ok"):
            raise Error(22, "Invalid argument")
        return 0

    @staticmethod
    def _reply(sock):
        """The first line that is an answer; events may come before it."""
        with sock.makefile("r", encoding="utf-8") as lines:
            for line in lines:
                message = json.loads(line)
                if "event" not in message:
                    return message
        raise Error(5, "Input/output error")
