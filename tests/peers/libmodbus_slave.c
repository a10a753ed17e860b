/* A Modbus slave on libmodbus with known registers, as a second opinion about the wire.
 *
 *   libmodbus_slave tcp <port>      libmodbus_slave rtu <tty>
 *
 * Holding registers: 0 u16 0x1234 | 2-3 f32 3.25 ABCD | 4-5 f32 -12.5 CDAB | 6-7 i32 -70000 DCBA |
 * 8-9 u32 305419896 BADC | 100 counts seconds since the start. Unit 1. */
#include <errno.h>
#include <modbus/modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Puts four big-endian bytes into two registers in the given order of letters. By hand, because
 * modbus_set_float_abcd of libmodbus 3.1.6 swaps the bytes of each register on this machine. */
static void put(uint16_t *r, uint32_t bits, const char *order) {
    uint8_t moved[4];
    for (int i = 0; i < 4; i++) moved[i] = (uint8_t)(bits >> (8 * (3 - (order[i] - 'A'))));
    r[0] = (uint16_t)(moved[0] << 8 | moved[1]);
    r[1] = (uint16_t)(moved[2] << 8 | moved[3]);
}

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void fill(modbus_mapping_t *map) {
    uint16_t *r = map->tab_registers;
    r[0] = 0x1234;
    put(&r[2], bits_of(3.25f), "ABCD");
    put(&r[4], bits_of(-12.5f), "CDAB");
    put(&r[6], (uint32_t)-70000, "DCBA");
    put(&r[8], 305419896u, "BADC");
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: libmodbus_slave tcp PORT | rtu TTY\n");
        return 2;
    }
    int tcp = strcmp(argv[1], "tcp") == 0;
    modbus_t *bus = tcp ? modbus_new_tcp("127.0.0.1", atoi(argv[2])) : modbus_new_rtu(argv[2], 19200, 'N', 8, 1);
    modbus_mapping_t *map = modbus_mapping_new(16, 16, 200, 200);
    if (!bus || !map || modbus_set_slave(bus, 1)) {
        fprintf(stderr, "set-up: %s\n", modbus_strerror(errno));
        return 1;
    }
    fill(map);
    int listener = tcp ? modbus_tcp_listen(bus, 4) : -1;
    if (tcp ? listener < 0 : modbus_connect(bus) != 0) {
        fprintf(stderr, "listen: %s\n", modbus_strerror(errno));
        return 1;
    }
    printf("ready\n");
    fflush(stdout);
    time_t began = time(NULL);
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    for (;;) {
        if (tcp && modbus_tcp_accept(bus, &listener) < 0) return 1;
        for (;;) {
            int length = modbus_receive(bus, query);
            if (length < 0) {
                if (tcp) break; /* the client left: wait for the next */
                continue;       /* noise on the line, or a request for another unit */
            }
            map->tab_registers[100] = (uint16_t)(time(NULL) - began);
            if (length > 0) modbus_reply(bus, query, length, map);
        }
        if (tcp) modbus_close(bus);
    }
}
