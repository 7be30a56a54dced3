/// A value for each Unicode scalar.
struct ScalarTable<Value: Sendable>: Sendable {
    private var pages: [UInt16]
    private var values: [Value]
    private let standard: Value

    /// - Parameter standard: the value of all scalars that no other value is set for.
    init(repeating standard: Value) {
        self.standard = standard
        pages = Array(repeating: 0, count: 0x110000 / 256)
        values = Array(repeating: standard, count: 256)
    }

    @inline(__always)
    subscript(scalar: UInt32) -> Value {
        get { values[Int(pages[Int(scalar >> 8)]) << 8 | Int(scalar & 0xFF)] }
        set { values[ownPage(of: scalar) | Int(scalar & 0xFF)] = newValue }
    }

    /// Sets the value of all scalars of a table in `UnicodeTables`: first, last, first, last, ...
    mutating func fill(_ ranges: [Int32], with value: Value) {
        for (first, last) in scalarRanges(ranges) {
            var start = first
            while start <= last {
                let end = min(last, start | 0xFF)
                let page = ownPage(of: start)
                values.withUnsafeMutableBufferPointer {
                    $0[page | Int(start & 0xFF)...page | Int(end & 0xFF)].update(repeating: value)
                }
                start = end + 1
            }
        }
    }

    /// The start of a scalar's page in `values`. Scalars without a value of their own share the
    /// first page.
    private mutating func ownPage(of scalar: UInt32) -> Int {
        let page = Int(scalar >> 8)
        if pages[page] == 0 {
            pages[page] = UInt16(values.count >> 8)
            values.append(contentsOf: repeatElement(standard, count: 256))
        }
        return Int(pages[page]) << 8
    }
}

/// The pairs of a table in `UnicodeTables`: first, last, first, last, ...
func scalarRanges(_ table: [Int32]) -> [(first: UInt32, last: UInt32)] {
    stride(from: 0, to: table.count, by: 2).map { (UInt32(table[$0]), UInt32(table[$0 + 1])) }
}
