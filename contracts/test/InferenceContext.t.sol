// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {InferenceContext} from "../InferenceContext.sol";
import {Test} from "./Vm.sol";

/// @title Tests of the context's digest
contract InferenceContextTest is Test {
    /// @notice Known answers, computed with viem. The Rust tests have the same.
    function test_digest_isAsComputedElsewhere() external pure {
        eq(InferenceContext.TYPEHASH, 0x2f3f87f1b712fa86b5e6347f8dca6ad8bfc3f040bdee45eefb52fef4efd874c1);
        eq(
            InferenceContext.digest(1, address(0xc0), bytes32(uint256(7)), address(0xbe), 1893456000),
            0x66ad8f268ea63d0bab496daf2fd8e0365676d168878754230b828f3c9a4269bf
        );
        eq(
            InferenceContext.digest(
                type(uint256).max,
                address(type(uint160).max),
                bytes32(type(uint256).max),
                address(type(uint160).max),
                type(uint256).max
            ),
            0x8a288b9bbd10f45d39b92e3cd11755cc488e6ba82cc5699156421966b2c935c3
        );
    }

    /// @notice Every field counts.
    function testFuzz_digest_differsIfAnyFieldDiffers(uint256[5] calldata a, uint256[5] calldata b) external pure {
        for (uint256 i = 0; i < 5; i++) {
            uint256[5] memory c = a;
            c[i] = b[i];
            (bytes32 first, bytes32 second) = (_digest(a), _digest(c));
            bool same = i == 1 || i == 3 ? uint160(a[i]) == uint160(b[i]) : a[i] == b[i];
            if (same) eq(first, second);
            else no(first == second);
        }
    }

    /// @notice `here` takes the chain and the contract from where it runs.
    function test_here_takesChainAndContract() external {
        vm.chainId(5);
        eq(
            InferenceContext.here("request", address(1), 9),
            InferenceContext.digest(5, address(this), "request", address(1), 9)
        );
        vm.chainId(6);
        eq(
            InferenceContext.here("request", address(1), 9),
            InferenceContext.digest(6, address(this), "request", address(1), 9)
        );
    }

    /// @dev The digest of five words.
    function _digest(uint256[5] memory a) private pure returns (bytes32) {
        return InferenceContext.digest(a[0], address(uint160(a[1])), bytes32(a[2]), address(uint160(a[3])), a[4]);
    }
}
