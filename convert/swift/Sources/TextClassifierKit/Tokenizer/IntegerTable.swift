/// A hash table with integers as keys and values: faster than a `Dictionary`, which also protects
/// against keys that were chosen to collide.
struct IntegerTable: Sendable {
    private struct Slot {
        var key: UInt64
        var value: UInt32
    }

    /// No key: the keys are below.
    private static let empty = UInt64.max

    private var slots: [Slot]
    private var count = 0
    private var shift: UInt64

    init() {
        slots = Array(repeating: Slot(key: Self.empty, value: 0), count: 1024)
        shift = 54
    }

    @inline(__always)
    subscript(key: UInt64) -> UInt32? {
        let slot = slots[slot(of: key)]
        return slot.key == key ? slot.value : nil
    }

    mutating func set(_ value: UInt32, for key: UInt64) {
        let found = slot(of: key)
        if slots[found].key == Self.empty { count += 1 }
        slots[found] = Slot(key: key, value: value)
        if count * 2 > slots.count { grow() }
    }

    /// The slot of a key, or the empty one where it belongs.
    @inline(__always)
    private func slot(of key: UInt64) -> Int {
        var slot = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> shift)
        while slots[slot].key != key, slots[slot].key != Self.empty {
            slot = (slot + 1) & (slots.count - 1)
        }
        return slot
    }

    private mutating func grow() {
        let old = slots
        slots = Array(repeating: Slot(key: Self.empty, value: 0), count: old.count * 2)
        shift -= 1
        for slot in old where slot.key != Self.empty { slots[self.slot(of: slot.key)] = slot }
    }
}
