"""A Modbus slave on pymodbus with the same known registers as libmodbus_slave.c.

    pymodbus_slave.py tcp PORT        pymodbus_slave.py rtu TTY
"""

import asyncio
import struct
import sys

from pymodbus.framer import FramerType
from pymodbus.server import StartAsyncSerialServer, StartAsyncTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice


def words(data, order):
    """Registers of four big-endian bytes in the given order of letters."""
    moved = bytes(data["ABCD".index(letter)] for letter in order)
    return list(struct.unpack("!2H", moved))


REGISTERS = [
    0x1234, 0,
    *words(struct.pack("!f", 3.25), "ABCD"),
    *words(struct.pack("!f", -12.5), "CDAB"),
    *words(struct.pack("!i", -70000), "DCBA"),
    *words(struct.pack("!I", 305419896), "BADC"),
]


async def main(kind, where):
    device = SimDevice(1, simdata=SimData(0, values=REGISTERS, datatype=DataType.REGISTERS))
    print("ready", flush=True)
    if kind == "tcp":
        await StartAsyncTcpServer(device, address=("127.0.0.1", int(where)))
    else:
        await StartAsyncSerialServer(device, port=where, framer=FramerType.RTU, baudrate=19200)


asyncio.run(main(*sys.argv[1:3]))
