// The quotient on a coset, row by row: the constraints of the machine (circuits/src/machine/gates.rs) and of the copy argument, each
// times its weight. A weight has the inverse of the vanishing polynomial in it, which is one number on a coset.
//
// A thread has a row: 68 multiplications for 37 cells of 32 bytes. Arithmetic bounds it, so cells are read where they are used, again
// if need be, and few are alive at a time.
#include "field.cuh"

namespace coset_quotient {

// One copy of the multiplication: in line they are 220 KiB of instructions, far more than a multiprocessor caches.
DEVICE_NOINLINE Fr multiply(Fr a, Fr b) { return a * b; }

struct Value {
    Fr v;

    static DEVICE Value one() { return Value{Fr::one()}; }
    DEVICE Value operator+(const Value &b) const { return Value{v + b.v}; }
    DEVICE Value operator-(const Value &b) const { return Value{v - b.v}; }
    DEVICE Value operator*(const Value &b) const { return Value{multiply(v, b.v)}; }
    DEVICE Value &operator+=(const Value &b) { return *this = *this + b; }
    DEVICE Value &operator*=(const Value &b) { return *this = *this * b; }
    DEVICE Value dbl() const { return *this + *this; }
};

// In the order of `QuotientColumns::addresses`.
enum Column {
    r, q, y, e, m, omega, h_w, h_x, h_y, z, p, phi,
    instance,
    t_tag, t_in, t_out, tag, kappa, op_p, op_x, op_y,
    permutation_y, permutation_z, permutation_p,
    copy_product, usable,
    point, lagrange_first, lagrange_last,
    column_count
};

// In the order of `QuotientConstants::elements`. A constraint that is computed some times over, to save multiplications, has a weight
// that makes up for it.
enum Constant {
    three, six,
    channel, position, twice_position, thrice_position, alpha, alpha_squared, beta,
    lookup_sum, lookup_end, first_phi, first_r, first_u, rim, chain_x_halved, expose_x,
    chain_y_by_6, expose_y_halved, chain_w_by_minus_2, product_by_6,
    copy_beta, gamma, name_y, name_z, name_p, copy_first, copy_last, copy_step,
    constant_count
};

struct Shared {
    Fr constants[constant_count];
    const Fr *columns[column_count];
};

struct Row {
    const Shared &shared;
    u32 index, next_index;

    DEVICE Value operator[](Constant which) const { return Value{Fr::load(shared.constants + which)}; }
    DEVICE Value operator()(Column column) const { return cell(column, index); }
    DEVICE Value next(Column column) const { return cell(column, next_index); }

    // The compiler knows no address space of a pointer from shared memory, and would have each access find out.
    DEVICE Value cell(Column column, u32 at) const {
        const uint4 *p = reinterpret_cast<const uint4 *>(shared.columns[column] + at);
        uint4 lo = __ldg(p), hi = __ldg(p + 1);
        return Value{Fr{{lo.x, lo.y, lo.z, lo.w, hi.x, hi.y, hi.z, hi.w}}};
    }
};

// Every cubic in an opcode is a sum of 1, op, op (op - 3) and op^2 (op - 3): two multiplications give all indicators.
struct Opcode {
    Value op, square, cube;

    DEVICE Opcode(const Row &row, const Value &op) : op(op) {
        square = op * (op - row[three]);
        cube = op * square;
    }
    // Indicators of opcodes: twice that of 1, minus twice that of 2, six times that of 3, and six times their sum.
    DEVICE Value is_1_doubled() const { return cube - square.dbl(); }
    DEVICE Value is_2_by_minus_2() const { return cube - square; }
    DEVICE Value is_3_by_6() const { return cube + op.dbl(); }
    DEVICE Value is_any_by_6() const { return is_3_by_6() - square.dbl() - square; }
    // (op - 1) (op - 2) (op - 3)
    DEVICE Value inactive(const Row &row) const { return is_any_by_6() - row[six]; }
};

// Of an active row: to be times opY. So is the next.
DEVICE Value lookups(const Row &row, const Value &next_inactive) {
    Value f1 = row[beta] + row(r) + row[alpha_squared] * row(kappa);
    Value f2 = row[beta] + row(q) + row[alpha] * row(y) + row[alpha_squared] * row(tag);
    Value t = row[beta] + row(t_in) + row[alpha] * row(t_out) + row[alpha_squared] * row(t_tag);
    Value phi_next = row.next(phi), both = f1 * f2;
    // [lookup-sum]
    Value sum = row[lookup_sum] * (both * ((phi_next - row(phi)) * t + row(m)) - (f1 + f2) * t);
    // [lookup-end]
    return sum + row[lookup_end] * (next_inactive * phi_next);
}

DEVICE Value producer_chain(const Row &row) {
    // [rim]
    Value sum = row[rim] * (row(kappa) * row(e));
    Value op = row(op_x), below = op - Value::one(), multiplier = row(z), hash = row(h_x);
    // [expose-x]
    sum += row[expose_x] * (below * (below - Value::one()) * (multiplier - hash));
    // op (2 - op) u + op (op - 1) / 2 z, doubled.
    multiplier = op * (row[twice_position] + below * (multiplier - row[twice_position]));
    // [chain-x]
    return sum + row[chain_x_halved] * ((row.next(h_x) - row(y)).dbl() - multiplier * hash);
}

// Of the row before the first active one: to be times (opY - 1) (opY - 2) (opY - 3) opY'.
DEVICE Value first_row(const Row &row) {
    // [first-phi]
    Value sum = row[first_phi] * row.next(phi);
    // [first-r]
    sum += row[first_r] * (row.next(z) - row[channel]);
    // [first-u]
    return sum + row[first_u] * (row.next(p) - row[position]);
}

DEVICE Value consumer_chain(const Row &row, const Opcode &opcode) {
    Value form = row(kappa) * row(q) + row(r) + row(e) + row(instance), hash = row(h_y);
    Value multiplier = opcode.is_3_by_6() * row(z) - opcode.is_2_by_minus_2() * row[thrice_position];
    // [chain-y]
    Value sum = row[chain_y_by_6] * (opcode.is_any_by_6() * (row.next(h_y) - form) - multiplier * hash);
    // [expose-y]
    return sum + row[expose_y_halved] * (opcode.is_1_doubled() * (row(p) - hash));
}

DEVICE Value products(const Row &row) {
    Opcode opcode(row, row(op_p));
    Value factor = row(z), by_weights = factor * (row(h_w) + row(omega));
    // hW' is there at 1 and 2, whose indicators are -op (op - 3) / 2 together.
    // [chain-w]
    Value sum = row[chain_w_by_minus_2] * (opcode.square * row.next(h_w) + opcode.is_1_doubled() * by_weights);
    Value before = row(p), after = row.next(p);
    // So is P' - P.
    Value steps = opcode.is_2_by_minus_2() * by_weights - opcode.square * (after - before);
    Value combination = opcode.is_3_by_6() * (after - factor * before - row.next(z));
    // [product]
    return sum + row[product_by_6] * (steps.dbl() + steps + combination);
}

// One column's factors of the products on both sides.
DEVICE void copy(const Row &row, Value &left, Value &right, Column column, Column permutation, Constant name) {
    Value value = row(column) + row[gamma];
    left *= value + row[copy_beta] * row(permutation);
    right *= value + row[name] * row(point);
}

DEVICE Value copies(const Row &row) {
    Value left = row.next(copy_product), here = row(copy_product), right = here;
    copy(row, left, right, y, permutation_y, name_y);
    copy(row, left, right, z, permutation_z, name_z);
    copy(row, left, right, p, permutation_p, name_p);
    Value sum = row[copy_step] * (row(usable) * (left - right));
    // Z is 1 on the first row, and Z^2 is Z on the last usable one: both have the factor 1 - Z.
    Value ends = row[copy_first] * row(lagrange_first) - row[copy_last] * (row(lagrange_last) * here);
    return sum + ends * (Value::one() - here);
}

DEVICE Value evaluate(const Row &row) {
    Opcode next(row, row.next(op_y));
    Value active = lookups(row, next.inactive(row)) + producer_chain(row);
    Opcode opcode(row, row(op_y));
    Value sum = opcode.op * active + opcode.inactive(row) * next.op * first_row(row);
    sum += consumer_chain(row, opcode);
    sum += products(row);
    return sum + copies(row);
}

} // namespace coset_quotient

// `columns` and `constants` are the arrays of the enumerations; a column has n elements, and its last row is before its first.
KERNEL_BOUNDED(128, quotient, Fr *out, const Fr *const *columns, const Fr *constants, u32 n) {
    using namespace coset_quotient;
    SHARED(Shared, shared, [1]);
    for (u32 i = threadIdx.x; i < constant_count; i += blockDim.x) Fr::load(constants + i).store(shared->constants + i);
    for (u32 i = threadIdx.x; i < column_count; i += blockDim.x) shared->columns[i] = columns[i];
    __syncthreads();
    u32 index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= n) return;
    Row row{shared[0], index, index + 1 == n ? 0 : index + 1};
    evaluate(row).v.store(out + index);
}
