// The quotient of the shape with one activation a row.
#pragma once

#include "quotient_shared.cuh"

namespace coset_quotient {

struct Single {
    enum Column {
        r = shared_columns, q, y, e, m, omega, h_w, h_x, h_y, z, p, phi,
        t_tag, t_in, t_out, tag, kappa, op_p, op_x, op_y,
        column_count,
        activity = op_y
    };

    // In the order of `QuotientConstants::single`.
    enum Constant {
        twice_position = shared_constants, thrice_position,
        chain_x_halved, expose_x, chain_y_by_6, expose_y_halved,
        constant_count
    };

    // To be times the activity. So is the next.
    static DEVICE Value lookups(const Row<Single> &row) {
        Value f1 = row[beta] + row(r) + row[alpha_squared] * row(kappa);
        Value f2 = row[beta] + row(q) + row[alpha] * row(y) + row[alpha_squared] * row(tag);
        Value t = table_entry(row), both = f1 * f2;
        // [lookup-sum]
        return row[lookup_sum] * (both * ((row.next(phi) - row(phi)) * t + row(m)) - (f1 + f2) * t);
    }

    static DEVICE Value consumer_chain(const Row<Single> &row) {
        Value op = row(op_x), below = op - Value::one(), multiplier = row(z), hash = row(h_x);
        // [expose-x]
        Value sum = row[expose_x] * (below * (below - Value::one()) * (multiplier - hash));
        // op (2 - op) u + op (op - 1) / 2 z, doubled.
        multiplier = op * (row[twice_position] + below * (multiplier - row[twice_position]));
        // [chain-x]
        return sum + row[chain_x_halved] * ((row.next(h_x) - row(y)).dbl() - multiplier * hash);
    }

    static DEVICE Value producer_chain(const Row<Single> &row, const Cubics &opcode) {
        Value hash = row(h_y), step = row.next(h_y) - form(row);
        Value multiplier = opcode.is_3_by_6() * row(z) - opcode.is_2_by_minus_2() * row[thrice_position];
        // [chain-y]
        Value sum = row[chain_y_by_6] * (opcode.is_any_by_6() * step - multiplier * hash);
        // [expose-y]
        return sum + row[expose_y_halved] * (opcode.is_1_doubled() * (row(p) - hash));
    }

    static DEVICE Value constraints(const Row<Single> &row) {
        Value active = lookups(row) + ends_and_rims(row) + consumer_chain(row);
        Cubics opcode(row, row(op_y));
        Value sum = opcode.code * active + first_row(row, opcode);
        return sum + producer_chain(row, opcode);
    }
};

} // namespace coset_quotient
