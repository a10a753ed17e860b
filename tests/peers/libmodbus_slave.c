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

static void fill(modbus_mapping_t *map) {
    uint16_t *r = map->tab_registers;
    int32_t negative = -70000;
    uint32_t bits = (uint32_t)negative, word = 305419896u;
    uint8_t b[4] = {bits >> 24, bits >> 16, bits >> 8, bits};
    uint8_t w[4] = {word >> 24, word >> 16, word >> 8, word};
    r[0] = 0x1234;
    modbus_set_float_abcd(3.25f, &r[2]);
    modbus_set_float_cdab(-12.5f, &r[4]);
    r[6] = (uint16_t)(b[3] << 8 | b[2]);
    r[7] = (uint16_t)(b[1] << 8 | b[0]);
    r[8] = (uint16_t)(w[1] << 8 | w[0]);
    r[9] = (uint16_t)(w[3] << 8 | w[2]);
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
