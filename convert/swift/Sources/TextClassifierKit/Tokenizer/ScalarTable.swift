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
        set {
            let page = Int(scalar >> 8)
            // Scalars without a value of their own share one page.
            if pages[page] == 0 {
                pages[page] = UInt16(values.count >> 8)
                values.append(contentsOf: repeatElement(standard, count: 256))
            }
            values[Int(pages[page]) << 8 | Int(scalar & 0xFF)] = newValue
        }
    }
}

/// Scalars of a table in `UnicodeTables`: first, last, first, last, ...
struct ScalarRanges: Sequence {
    let table: [Int32]

    init(_ table: [Int32]) { self.table = table }

    func makeIterator() -> some IteratorProtocol<UInt32> {
        stride(from: 0, to: table.count, by: 2).lazy
            .flatMap { UInt32(table[$0])...UInt32(table[$0 + 1]) }
            .makeIterator()
    }
}
