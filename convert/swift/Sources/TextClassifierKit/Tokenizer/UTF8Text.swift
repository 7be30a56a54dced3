/// UTF-8 of whole scalars, as `String.withUTF8` and the normalizer give it: it is always valid.
typealias UTF8Text = UnsafeBufferPointer<UInt8>

extension UTF8Text {
    /// The scalar that starts at an index, and the index after it.
    @inline(__always)
    func scalar(at index: Int) -> (scalar: UInt32, next: Int) {
        let lead = UInt32(self[index])
        if lead < 0x80 { return (lead, index + 1) }
        if lead < 0xE0 { return ((lead & 0x1F) << 6 | tail(index + 1), index + 2) }
        if lead < 0xF0 {
            return ((lead & 0x0F) << 12 | tail(index + 1) << 6 | tail(index + 2), index + 3)
        }
        let high = (lead & 0x07) << 18 | tail(index + 1) << 12
        return (high | tail(index + 2) << 6 | tail(index + 3), index + 4)
    }

    /// The index at which the scalar before another index starts.
    func index(before index: Int) -> Int {
        var start = index - 1
        while self[start] & 0xC0 == 0x80 { start -= 1 }
        return start
    }

    /// A part between two scalars.
    @inline(__always)
    func part(_ range: Range<Int>) -> UTF8Text { UTF8Text(rebasing: self[range]) }

    @inline(__always)
    private func tail(_ index: Int) -> UInt32 { UInt32(self[index]) & 0x3F }
}

extension [UInt8] {
    /// Appends a scalar as UTF-8.
    @inline(__always)
    mutating func append(scalar: UInt32) {
        func tail(_ shift: UInt32) -> UInt8 {
            UInt8(truncatingIfNeeded: scalar >> shift & 0x3F | 0x80)
        }
        if scalar < 0x80 {
            append(UInt8(truncatingIfNeeded: scalar))
        } else if scalar < 0x800 {
            append(UInt8(truncatingIfNeeded: scalar >> 6 | 0xC0))
            append(tail(0))
        } else if scalar < 0x10000 {
            append(UInt8(truncatingIfNeeded: scalar >> 12 | 0xE0))
            append(tail(6))
            append(tail(0))
        } else {
            append(UInt8(truncatingIfNeeded: scalar >> 18 | 0xF0))
            append(tail(12))
            append(tail(6))
            append(tail(0))
        }
    }
}
