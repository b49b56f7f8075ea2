// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @notice What these tests use of Foundry's cheat codes.
interface Vm {
    /// @notice A log.
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    /// @notice The next call comes from `sender`.
    function prank(address sender) external;
    /// @notice Sets the time of the block.
    function warp(uint256 time) external;
    /// @notice Sets the id of the chain.
    function chainId(uint256 id) external;
    /// @notice Sets an account's balance.
    function deal(address account, uint256 balance) external;
    /// @notice The next call reverts with exactly this data.
    function expectRevert(bytes calldata data) external;
    /// @notice The next call emits, from `emitter`, exactly the event that is emitted here next.
    function expectEmit(address emitter) external;
    /// @notice Logs are kept from now on.
    function recordLogs() external;
    /// @notice The logs kept so far, which are then forgotten.
    function getRecordedLogs() external returns (Log[] memory);
    /// @notice Calls of `callee` with data that start with `data` revert with `reason`.
    function mockCallRevert(address callee, bytes calldata data, bytes calldata reason) external;
    /// @notice Undoes `mockCallRevert`.
    function clearMockedCalls() external;
    /// @notice The text of a file of the package.
    function readFile(string calldata path) external view returns (string memory);
    /// @notice Bytes in hex at a path in a text of JSON.
    function parseJsonBytes(string calldata json, string calldata path) external pure returns (bytes memory);
}

/// @title What every test contract needs
abstract contract Test {
    /// @notice A value is not what it should be.
    error Unequal(bytes32 got, bytes32 expected);

    /// @dev Foundry's address for cheat codes.
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// @dev Fails the test unless both are equal.
    function eq(bytes32 got, bytes32 expected) internal pure {
        if (got != expected) revert Unequal(got, expected);
    }

    /// @dev As `eq` for words.
    function eq(uint256 got, uint256 expected) internal pure {
        eq(bytes32(got), bytes32(expected));
    }

    /// @dev As `eq` for signed words.
    function eqInt(int256 got, int256 expected) internal pure {
        eq(uint256(got), uint256(expected));
    }

    /// @dev As `eq` for addresses.
    function eq(address got, address expected) internal pure {
        eq(uint256(uint160(got)), uint256(uint160(expected)));
    }

    /// @dev As `eq` for text.
    function eq(string memory got, string memory expected) internal pure {
        eq(keccak256(bytes(got)), keccak256(bytes(expected)));
    }

    /// @dev Fails the test unless it is true.
    function yes(bool got) internal pure {
        eq(got ? 1 : 0, 1);
    }

    /// @dev Fails the test unless it is false.
    function no(bool got) internal pure {
        eq(got ? 1 : 0, 0);
    }
}
