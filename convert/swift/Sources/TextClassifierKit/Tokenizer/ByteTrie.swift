/// Strings of bytes as a tree, so that one walk finds the longest of them that a text starts with.
///
/// The strings are bytes, since Swift's strings are equal where Unicode calls them equivalent, and
/// a vocabulary has tokens that differ only in this.
struct ByteTrie: Sendable {
    typealias Node = UInt32

    static let root: Node = 0

    private var children = IntegerTable()
    private var values: [Int32] = [-1]

    init() {}

    /// Adds a string, or changes its value.
    mutating func insert(_ bytes: some Sequence<UInt8>, value: Int32) {
        values[Int(insert(bytes))] = value
    }

    /// The node of a string, added if needed.
    mutating func insert(_ bytes: some Sequence<UInt8>) -> Node {
        bytes.reduce(Self.root) { node, byte in
            if let child = child(of: node, byte) { return child }
            let child = Node(values.count)
            children.set(child, for: Self.key(node, byte))
            values.append(-1)
            return child
        }
    }

    @inline(__always)
    func child(of node: Node, _ byte: UInt8) -> Node? { children[Self.key(node, byte)] }

    /// The value of a node; -1 if no string ends there.
    @inline(__always)
    func value(of node: Node) -> Int32 { values[Int(node)] }

    /// The value of a string; nil if it is not in the tree.
    func value(of bytes: some Sequence<UInt8>) -> Int32? {
        var node = Self.root
        for byte in bytes {
            guard let child = child(of: node, byte) else { return nil }
            node = child
        }
        return value(of: node) < 0 ? nil : value(of: node)
    }

    /// The longest string with which a text goes on: its value and its end.
    ///
    /// - Parameter node: the node to start from, which stands for what comes before.
    @inline(__always)
    func longest(in text: UTF8Text, from start: Int, to limit: Int, after node: Node = root)
        -> (value: Int32, end: Int)?
    {
        var found: (Int32, Int)?
        var node = node
        var index = start
        while index < limit, let child = child(of: node, text[index]) {
            node = child
            index += 1
            if value(of: node) >= 0 { found = (value(of: node), index) }
        }
        return found
    }

    @inline(__always)
    private static func key(_ node: Node, _ byte: UInt8) -> UInt64 {
        UInt64(node) << 8 | UInt64(byte)
    }
}
