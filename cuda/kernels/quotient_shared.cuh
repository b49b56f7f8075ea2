// The quotient: how a row is read, and the constraints that every shape of the machine has.
//
// A shape is a type: `Column`, from `shared_columns` on, with `activity`, the column that is not 0 on active rows alone; `Constant`, from
// `shared_constants` on; and `constraints`, all of the machine's but those of products.
#pragma once

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

// In the order of `QuotientColumns::buffers`.
enum SharedColumn {
    instance,
    permutation_y, permutation_z, permutation_p,
    copy_product, usable,
    point, lagrange_first, lagrange_last,
    shared_columns
};

// In the order of `QuotientConstants::elements`. A constraint that is computed some times over, to save multiplications, has a weight
// that makes up for it.
enum SharedConstant {
    three, six,
    channel, position, alpha, alpha_squared, beta,
    lookup_sum, lookup_end, first_phi, first_r, first_u, rim, chain_w_by_minus_2, product_halved, product_by_6,
    copy_beta, gamma, name_y, name_z, name_p, copy_first, copy_last, copy_step,
    shared_constants
};

template <class Shape> struct Arrays {
    Fr constants[Shape::constant_count];
    const Fr *columns[Shape::column_count];
};

template <class Shape> struct Row {
    typedef typename Shape::Column Column;
    typedef typename Shape::Constant Constant;

    const Arrays<Shape> &arrays;
    u32 index, next_index;

    DEVICE Value operator[](SharedConstant which) const { return constant(which); }
    DEVICE Value operator[](Constant which) const { return constant(which); }
    DEVICE Value operator()(SharedColumn column) const { return cell(column, index); }
    DEVICE Value operator()(Column column) const { return cell(column, index); }
    DEVICE Value next(SharedColumn column) const { return cell(column, next_index); }
    DEVICE Value next(Column column) const { return cell(column, next_index); }

  private:
    DEVICE Value constant(u32 which) const { return Value{Fr::load(arrays.constants + which)}; }

    // The compiler knows no address space of a pointer from shared memory, and would have each access find out.
    DEVICE Value cell(u32 column, u32 at) const {
        const uint4 *p = reinterpret_cast<const uint4 *>(arrays.columns[column] + at);
        uint4 lo = __ldg(p), hi = __ldg(p + 1);
        return Value{Fr{{lo.x, lo.y, lo.z, lo.w, hi.x, hi.y, hi.z, hi.w}}};
    }
};

// Every quadratic in a code, which is 0 to 3 on rows, is a sum of 1, code and code (code - 3).
struct Quadratics {
    Value code, square;

    template <class Row> DEVICE Quadratics(const Row &row, const Value &code) : code(code) {
        square = code * (code - row[three]);
    }
};

// Every cubic has code^2 (code - 3) besides: two multiplications give all indicators.
struct Cubics : Quadratics {
    Value cube;

    template <class Row> DEVICE Cubics(const Row &row, const Value &code) : Quadratics(row, code) { cube = code * square; }

    // Indicators: twice that of 1, minus twice that of 2, six times that of 3, and six times their sum.
    DEVICE Value is_1_doubled() const { return cube - square.dbl(); }
    DEVICE Value is_2_by_minus_2() const { return cube - square; }
    DEVICE Value is_3_by_6() const { return cube + code.dbl(); }
    DEVICE Value is_any_by_6() const { return is_3_by_6() - square.dbl() - square; }
    // (code - 1) (code - 2) (code - 3)
    template <class Row> DEVICE Value inactive(const Row &row) const { return is_any_by_6() - row[six]; }
};

// The row of the table, compressed.
template <class Shape> DEVICE Value table_entry(const Row<Shape> &row) {
    return row[beta] + row(Shape::t_in) + row[alpha] * row(Shape::t_out) + row[alpha_squared] * row(Shape::t_tag);
}

// To be times the activity.
template <class Shape> DEVICE Value ends_and_rims(const Row<Shape> &row) {
    Cubics next(row, row.next(Shape::activity));
    // [lookup-end]
    Value sum = row[lookup_end] * (next.inactive(row) * row.next(Shape::phi));
    // [rim]
    return sum + row[rim] * (row(Shape::kappa) * row(Shape::e));
}

// What the producer chain takes of an element.
template <class Shape> DEVICE Value form(const Row<Shape> &row) {
    return row(Shape::kappa) * row(Shape::q) + row(Shape::r) + row(Shape::e) + row(instance);
}

// On the row before the first active one.
template <class Shape> DEVICE Value first_row(const Row<Shape> &row, const Cubics &activity) {
    // [first-phi]
    Value sum = row[first_phi] * row.next(Shape::phi);
    // [first-r]
    sum += row[first_r] * (row.next(Shape::z) - row[channel]);
    // [first-u]
    sum += row[first_u] * (row.next(Shape::p) - row[position]);
    return activity.inactive(row) * row.next(Shape::activity) * sum;
}

template <class Shape> DEVICE Value products(const Row<Shape> &row) {
    Cubics opcode(row, row(Shape::op_p));
    Value factor = row(Shape::z), by_weights = factor * (row(Shape::h_w) + row(Shape::omega));
    // Indicators of 1 and 2 are op (op - 3) / 2 times op - 2 and 1 - op; so their sum is that times -1.
    Value by_opcode = opcode.code * by_weights;
    // [chain-w]
    Value sum = row[chain_w_by_minus_2] * (row.next(Shape::h_w) + by_opcode - by_weights.dbl());
    Value before = row(Shape::p), after = row.next(Shape::p);
    // [product]
    sum += row[product_halved] * (by_opcode - by_weights - (after - before));
    Value combination = opcode.is_3_by_6() * (after - factor * before - row.next(Shape::z));
    return opcode.square * sum + row[product_by_6] * combination;
}

// One column's factors of the products on both sides.
template <class Shape>
DEVICE void copy(const Row<Shape> &row, Value &left, Value &right, const Value &cell, SharedColumn permutation, SharedConstant name) {
    Value value = cell + row[gamma];
    left *= value + row[copy_beta] * row(permutation);
    right *= value + row[name] * row(point);
}

template <class Shape> DEVICE Value copies(const Row<Shape> &row) {
    Value left = row.next(copy_product), here = row(copy_product), right = here;
    copy(row, left, right, row(Shape::y), permutation_y, name_y);
    copy(row, left, right, row(Shape::z), permutation_z, name_z);
    copy(row, left, right, row(Shape::p), permutation_p, name_p);
    Value sum = row[copy_step] * (row(usable) * (left - right));
    // Z is 1 on the first row, and Z^2 is Z on the last usable one: both have the factor 1 - Z.
    Value ends = row[copy_first] * row(lagrange_first) - row[copy_last] * (row(lagrange_last) * here);
    return sum + ends * (Value::one() - here);
}

// What a kernel does.
template <class Shape> DEVICE void fold(Fr *out, const Fr *const *columns, const Fr *constants, u32 n) {
    SHARED(Arrays<Shape>, arrays, [1]);
    for (u32 i = threadIdx.x; i < Shape::constant_count; i += blockDim.x) Fr::load(constants + i).store(arrays->constants + i);
    for (u32 i = threadIdx.x; i < Shape::column_count; i += blockDim.x) arrays->columns[i] = columns[i];
    __syncthreads();
    u32 index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= n) return;
    Row<Shape> row{arrays[0], index, index + 1 == n ? 0 : index + 1};
    Value sum = Shape::constraints(row);
    sum += products(row);
    (sum + copies(row)).v.store(out + index);
}

} // namespace coset_quotient
