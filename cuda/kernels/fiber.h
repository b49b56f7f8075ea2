// Switching between stacks. Host only.
//
// `swapcontext` makes a system call per switch, which would dominate the emulator; on x86-64 ELF a dozen instructions do it.
// `-DEMULATOR_UCONTEXT` forces the portable way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>

#if !(defined(__x86_64__) && defined(__ELF__)) && !defined(EMULATOR_UCONTEXT)
#define EMULATOR_UCONTEXT
#endif

#ifdef EMULATOR_UCONTEXT
#include <ucontext.h>
#else
// Saves the callee-saved registers on the current stack and its address in *from; then takes up the stack `to`.
extern "C" void inferproof_emulator_switch(void **from, void *to);
asm(R"(
    .text
    .globl inferproof_emulator_switch
    .hidden inferproof_emulator_switch
    .type inferproof_emulator_switch, @function
inferproof_emulator_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size inferproof_emulator_switch, . - inferproof_emulator_switch
)");
#endif

namespace emulator {

class Stack {
  public:
    static constexpr size_t bytes = 64 * 1024, guard = 16 * 1024;

    // The guard turns an overflow into a fault at once. Never freed: the emulator keeps its stacks.
    Stack() {
        void *map = mmap(nullptr, bytes + guard, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (map == MAP_FAILED || mprotect(map, guard, PROT_NONE) != 0) {
            std::perror("emulator: stack of a fiber");
            std::abort();
        }
        base_ = static_cast<char *>(map) + guard;
    }
    char *base() const { return base_; }

  private:
    char *base_;
};

#ifdef EMULATOR_UCONTEXT
class Context {
  public:
    void start(const Stack &stack, void (*entry)()) {
        getcontext(&context_);
        context_.uc_stack.ss_sp = stack.base();
        context_.uc_stack.ss_size = Stack::bytes;
        context_.uc_link = nullptr;
        makecontext(&context_, entry, 0);
    }
    static void change(Context &from, Context &to) { swapcontext(&from.context_, &to.context_); }

  private:
    ucontext_t context_;
};
#else
class Context {
  public:
    // `entry` never returns. It starts as after a call: stack pointer 8 below a multiple of 16, a null return address there.
    void start(const Stack &stack, void (*entry)()) {
        void **top = reinterpret_cast<void **>(stack.base() + Stack::bytes - 16);
        top[1] = nullptr;
        top[0] = reinterpret_cast<void *>(entry);
        for (int i = 1; i <= 6; i++) top[-i] = nullptr;
        pointer_ = top - 6;
    }
    static void change(Context &from, Context &to) { inferproof_emulator_switch(&from.pointer_, to.pointer_); }

  private:
    void *pointer_ = nullptr;
};
#endif

} // namespace emulator
