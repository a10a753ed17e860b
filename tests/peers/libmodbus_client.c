/* The C loop the gateway's Modbus client is measured against: back-to-back reads over one TCP
   connection. Usage: libmodbus_client PORT COUNT REPEAT; prints requests per second. */
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    int count = atoi(argv[2]);
    long repeat = atol(argv[3]);
    uint16_t words[125];
    modbus_t *ctx = modbus_new_tcp("127.0.0.1", atoi(argv[1]));
    if (!ctx || count < 1 || count > 125 || modbus_set_slave(ctx, 1) || modbus_connect(ctx)) return 3;
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (long i = 0; i < repeat; i++)
        if (modbus_read_registers(ctx, 0, count, words) != count) return 4;
    clock_gettime(CLOCK_MONOTONIC, &to);
    double seconds = (to.tv_sec - from.tv_sec) + (to.tv_nsec - from.tv_nsec) / 1e9;
    printf("%.1f\n", repeat / seconds);
    modbus_close(ctx);
    modbus_free(ctx);
    return 0;
}
