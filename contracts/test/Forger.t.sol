// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Inference} from "../IInferenceVerifier.sol";
import {Forger, Forgery} from "./Forger.sol";

/// @title Tests with a forger who knows the secret of the SRS
/// @notice What must stop a forger whose proofs have exactly one wrong equation are the factors by which the verifier
/// adds its equations
/// up: they come from a hash of all that could be adjusted.
contract ForgerTest is Forger {
    /// @notice Who knows tau can prove anything: else the other tests would show nothing.
    function test_forger_succeedsWithAllEquationsRight() external view {
        for (uint256 i = 0; i < kinds(); ++i) {
            this.accept(kind(i));
        }
    }

    /// @notice Each equation alone is checked.
    function test_verify_checksEveryEquation() external view {
        for (uint256 i = 0; i < kinds(); ++i) {
            Forgery memory f = kind(i);
            f.opening = 1;
            this.refuse(f);
            f.opening = 0;
            if (f.secret) f.weights = 1;
            else f.shift = 1;
            this.refuse(f);
            (f.weights, f.shift) = (0, 0);
            if (isLinked(f)) {
                f.link = 1;
                this.refuse(f);
                f.link = 0;
            }
            // With the secret of the span, another column is in reach: whoever knows the multiples has it.
            if (!f.secret) continue;
            f.shift = 2;
            this.accept(f);
        }
    }

    /// @notice A sum at infinity is paired like any other.
    function test_verify_pairsInfinity() external view {
        for (uint256 i = 0; i < 2; ++i) {
            Forgery memory f = kind(i);
            f.infinity = true;
            this.refuse(f);
        }
    }

    /// @notice The equations do not make up for each other: not added as they are, and not by a factor that is known in
    /// time.
    function test_verify_keepsEquationsApart() external view {
        for (uint256 i = 0; i < kinds(); ++i) {
            for (uint256 wrong = 0; wrong < 3; ++wrong) {
                Forgery memory f = kind(i);
                if (wrong == 0) f.opening = 1;
                if (wrong == 1 && !f.secret) f.shift = 1;
                if (wrong == 2 && f.secret && isLinked(f)) f.link = 1;
                if (f.opening | f.shift | f.link == 0) continue;
                f.merge = 1;
                this.refuse(f);
                f.merge = FR - 1;
                this.refuse(f);
                // What the factor would be if the last part of the proof were not hashed.
                f.early = true;
                this.refuse(f);
            }
        }
    }

    /// @notice Nor do those of claims in a batch: the factor of each comes from all of it and of those before.
    function test_verifyBatch_keepsClaimsApart() external view {
        uint256[4] memory known = [uint256(0), 1, 10, 15];
        for (uint256 i = 0; i < 16; ++i) {
            Forgery memory f = kind(known[i % 4]);
            Forgery memory g = kind(known[i / 4]);
            // No factor.
            (f.opening, g.opening) = (1, FR - 1);
            (Inference memory one, bytes32 state) = prove(f);
            (Inference memory two,) = prove(g);
            refused(both(one, two), invalid());
            // A factor that is known once the first claim is.
            g.opening = mulmod(FR - 1, power(uint256(keccak256(abi.encode(state, 0))) % FR, FR - 2), FR);
            (two,) = prove(g);
            refused(both(one, two), invalid());
            // A factor that is known once the second claim is.
            g.opening = 1;
            (two, state) = prove(g);
            f.opening = FR - uint256(keccak256(abi.encode(0, state))) % FR;
            (one,) = prove(f);
            refused(both(one, two), invalid());
            f.opening = FR - uint256(state) % FR;
            (one,) = prove(f);
            refused(both(one, two), invalid());
        }
    }

    /// @notice Claims of every kind hold side by side in any order, and one with a wrong equation spoils them.
    function test_verifyBatch_mixesKinds() external view {
        Inference[] memory claims = new Inference[](kinds());
        Inference[] memory batch = new Inference[](kinds());
        for (uint256 i = 0; i < kinds(); ++i) {
            claims[i] = claimOf(kind(i));
        }
        // Coprime to the number of kinds.
        uint8[4] memory steps = [1, 5, 11, 23];
        for (uint256 j = 0; j < 4; ++j) {
            for (uint256 i = 0; i < kinds(); ++i) {
                batch[i] = claims[i * steps[j] % kinds()];
            }
            verifier.verifyBatch(batch);
        }
        batch = new Inference[](3);
        for (uint256 i = 0; i < kinds(); ++i) {
            Forgery memory f = kind(i);
            (f.link, f.opening) = isLinked(f) ? (1, 0) : (0, 1);
            (batch[i % 3], batch[(i + 1) % 3]) = (claimOf(f), claims[(i + 5) % kinds()]);
            batch[(i + 2) % 3] = claims[(i + 10) % kinds()];
            refused(batch, invalid());
        }
    }
}
