// The quotient of the shape with two activations a row.
#pragma once

#include "quotient_shared.cuh"

namespace coset_quotient {

struct Paired {
    enum Column {
        r0 = shared_columns, q0, y0, r, q, y, m, e, omega, h_w, h_x, h_y, z, p, psi, phi,
        t_tag, t_in, t_out, tag, kappa, op_p, op_x, op_y, lane_x, lane_y,
        column_count,
        activity = lane_y
    };

    // In the order of `QuotientConstants::paired`.
    enum Constant {
        two = shared_constants, lookup_part,
        chain_x_halved, expose_x, earlier_x, earlier_x_code, earlier_x_square, native_x, native_x_code, native_x_square,
        chain_y_halved, expose_y, earlier_y, earlier_y_code, earlier_y_square, native_y, native_y_code, native_y_square,
        constant_count
    };

    // Coefficients of 1, code and code (code - 3).
    struct Coefficients {
        Constant constant, code, square;

        DEVICE Value operator()(const Row<Paired> &row, const Quadratics &lane) const {
            return row[constant] + row[code] * lane.code + row[square] * lane.square;
        }
    };

    // One of the chains: its columns, the weights of its constraints, and what depends on its lane code: the weight of the earlier
    // element, and the native step times the code, both times the weight of the chain's constraint.
    struct Chain {
        Column h, op, exposed;
        Constant chain_halved, expose;
        Coefficients earlier, native;
    };

    static DEVICE Chain consumer() {
        return Chain{h_x, op_x, z, chain_x_halved, expose_x,
                     {earlier_x, earlier_x_code, earlier_x_square}, {native_x, native_x_code, native_x_square}};
    }
    static DEVICE Chain producer() {
        return Chain{h_y, op_y, p, chain_y_halved, expose_y,
                     {earlier_y, earlier_y_code, earlier_y_square}, {native_y, native_y_code, native_y_square}};
    }

    // To be times the activity.
    static DEVICE Value lookups(const Row<Paired> &row) {
        Value range = row[beta] + row[alpha_squared] * row(kappa), function = row[beta] + row[alpha_squared] * row(tag);
        Value f2 = function + row(q) + row[alpha] * row(y);
        Value f3 = range + row(r0), f4 = function + row(q0) + row[alpha] * row(y0), both = f3 * f4;
        // [lookup-part]
        Value sum = row[lookup_part] * (f2 * (row(psi) * both - (f3 + f4)) - both);
        Value t = table_entry(row), step = row.next(phi) - row(phi) - row(psi);
        // [lookup-sum]
        return sum + row[lookup_sum] * ((step * t + row(m)) * (range + row(r)) - t);
    }

    // Both constraints of a chain but for the earlier element: what is to be times the lane code is added to `by_lane`, the rest, which
    // has that factor in it, is returned.
    static DEVICE Value chain(const Row<Paired> &row, const Chain &c, const Quadratics &lane, const Value &later, Value &by_lane) {
        Value step = (row.next(c.h) - later).dbl(), hash = row(c.h);
        Quadratics opcode(row, row(c.op));
        by_lane += row[c.expose] * ((opcode.square + row[two]) * (row(c.exposed) - hash));
        // op (op - 1) / 2 z, doubled.
        step = step - (opcode.square + opcode.code.dbl()) * (row(z) * hash);
        by_lane += row[c.chain_halved] * step;
        // -op (2 - op)
        return (opcode.square + opcode.code) * hash * c.native(row, lane);
    }

    static DEVICE Value constraints(const Row<Paired> &row) {
        Value by_lane = lookups(row) + ends_and_rims(row);
        Cubics lane(row, row(lane_y));
        Value sum = first_row(row, lane);
        by_lane = by_lane - producer().earlier(row, lane) * (row(kappa) * row(q0) + row(r0));
        // [chain-y]
        // [expose-y]
        sum += chain(row, producer(), lane, form(row), by_lane);
        sum += lane.code * by_lane;
        Quadratics other(row, row(lane_x));
        by_lane = Value{Fr::zero()} - consumer().earlier(row, other) * row(y0);
        // [chain-x]
        // [expose-x]
        sum += chain(row, consumer(), other, row(y), by_lane);
        return sum + other.code * by_lane;
    }
};

} // namespace coset_quotient
