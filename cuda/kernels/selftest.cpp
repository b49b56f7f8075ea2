// Tests of the foundation, on the host alone. Run in this folder:
//
//   g++ -std=c++17 -O1 selftest.cpp -o selftest && ./selftest
//   g++ -std=c++17 -O1 -DFAST_HOST_FIELD selftest.cpp -o selftest && ./selftest
//   g++ -std=c++17 -O1 -DWITHOUT_BARRIERS selftest.cpp -o selftest && ./selftest   (must fail)
//   g++ -std=c++17 -O1 -DEMULATOR_UCONTEXT selftest.cpp -o selftest && ./selftest
//
// An argument sets the number of random pairs per field.
#include "host.cpp"

#include <cstdio>

static int failures;

#define EXPECT(condition, ...)                                      \
    do {                                                            \
        if (!(condition) && ++failures <= 20) {                     \
            printf("%s:%d: %s: ", __FILE__, __LINE__, #condition);  \
            printf(__VA_ARGS__);                                    \
            printf("\n");                                           \
        }                                                           \
    } while (0)

#include "selftest_emulator.h"
#include "selftest_field.h"

int main(int argc, char **argv) {
    u32 pairs = argc > 1 ? static_cast<u32>(strtoul(argv[1], nullptr, 10)) : 200000;
    test_emulator();
    printf("emulator: %d failures\n", failures);
    test_field<FrParameters>("Fr", pairs, "30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001");
    test_field<FqParameters>("Fq", pairs, "30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47");
    printf("fields: %d failures in all\n", failures);
    test_curve();
    printf("curve: %d failures in all\n", failures);
    return failures != 0;
}
