/// What BERT's normalizer does with each scalar, for one set of rules.
///
/// The normalizer cleans a text, puts spaces around ideographs, decomposes it, drops marks and
/// turns it to lower case, in this order. As each step but the order of marks concerns single
/// scalars, the result of all steps is one entry of a table.
struct BertNormalizer: Sendable {
    /// What becomes of a scalar; `value` has a meaning for each.
    struct Entry: Sendable, Equatable {
        enum Kind: UInt32 {
            /// Replaced with the scalar `value`, or unchanged if this is 0.
            case one
            case dropped
            /// Dropped; marks before and after it keep their order.
            case barrier
            /// Kept, and sorted among its neighbors by its combining class.
            case mark
            /// Kept, or replaced with `value`, with a space on both sides.
            case ideograph
            case hangul
            /// Replaced with the entries in `sequences[value]`.
            case sequence
        }

        static let unchanged = Self(.one, 0)

        private let bits: UInt32

        init(_ kind: Kind, _ value: UInt32 = 0) { bits = kind.rawValue << 24 | value }

        @inline(__always)
        var kind: Kind { Kind(rawValue: bits >> 24) ?? .one }
        @inline(__always)
        var value: UInt32 { bits & 0xFF_FFFF }
    }

    private(set) var entries = ScalarTable<Entry>(repeating: .unchanged)
    private(set) var sequences: [[Entry]] = []
    /// Combining classes of marks that are kept.
    private(set) var combiningClasses: [UInt32: Int32] = [:]

    init(_ rules: WordPieceRules) {
        // A later step takes its input from earlier ones, so each overwrites those before it here.
        let lowercase = rules.lowercase ? Self.lowercase : [:]
        for (scalar, lower) in lowercase { entries[scalar] = Entry(.one, lower) }
        if rules.stripAccents {
            dropMarks()
            decompose(lowercase)
        } else if rules.lowercase {
            for (scalar, lower) in mappings(in: UnicodeTables.lowercaseSequences) {
                entries[scalar] = add(lower.map { Entry(.one, $0) })
            }
        }
        if rules.handleChineseChars { surroundIdeographs() }
        if rules.cleanText {
            entries.fill(UnicodeTables.toSpace, with: Entry(.one, 0x20))
            entries.fill(UnicodeTables.dropped, with: Entry(.dropped))
        }
    }

    private mutating func dropMarks() {
        let classes = UnicodeTables.combiningClasses
        for i in stride(from: 0, to: classes.count, by: 3) {
            for scalar in UInt32(classes[i])...UInt32(classes[i + 1]) {
                combiningClasses[scalar] = classes[i + 2]
                entries[scalar] = Entry(.mark, scalar)
            }
        }
        for (first, last) in scalarRanges(UnicodeTables.marks) {
            for scalar in first...last {
                entries[scalar] = Entry(combiningClasses[scalar] == nil ? .barrier : .dropped)
            }
        }
    }

    private mutating func decompose(_ lowercase: [UInt32: UInt32]) {
        func entry(of part: UInt32) -> Entry {
            let entry = entries[part]
            return entry.kind == .one ? Entry(.one, lowercase[part] ?? part) : entry
        }
        for (scalar, parts) in mappings(in: UnicodeTables.decompositions) {
            let kept: [Entry] = parts.map(entry(of:)).filter { $0.kind != .dropped }
            let single = kept.count == 1 && kept[0].kind == .one
            entries[scalar] = single ? kept[0] : add(kept)
        }
        entries.fill([0xAC00, 0xD7A3], with: Entry(.hangul))
    }

    private mutating func surroundIdeographs() {
        for (first, last) in scalarRanges(UnicodeTables.ideographs) {
            let changed = (first...last).filter { entries[$0] != .unchanged }
            let surrounded = changed.map { surroundedBySpaces(entries[$0]) }
            entries.fill([Int32(first), Int32(last)], with: Entry(.ideograph))
            for (scalar, entry) in zip(changed, surrounded) { entries[scalar] = entry }
        }
    }

    private mutating func surroundedBySpaces(_ entry: Entry) -> Entry {
        guard entry.kind != .one else { return Entry(.ideograph, entry.value) }
        let parts = entry.kind == .sequence ? sequences[Int(entry.value)] : [entry]
        return add([Entry(.one, 0x20)] + parts + [Entry(.one, 0x20)])
    }

    private mutating func add(_ parts: [Entry]) -> Entry {
        sequences.append(parts)
        return Entry(.sequence, UInt32(sequences.count - 1))
    }

    private static var lowercase: [UInt32: UInt32] {
        let runs = UnicodeTables.lowercase
        var lowercase: [UInt32: UInt32] = [:]
        for i in stride(from: 0, to: runs.count, by: 4) {
            for scalar in stride(from: runs[i], through: runs[i + 1], by: Int(runs[i + 2])) {
                lowercase[UInt32(scalar)] = UInt32(scalar + runs[i + 3])
            }
        }
        return lowercase
    }
}

/// Entries of a table in `UnicodeTables`: a scalar, a count, and as many scalars.
private func mappings(in table: [Int32]) -> [(scalar: UInt32, parts: [UInt32])] {
    var found: [(UInt32, [UInt32])] = []
    var i = 0
    while i < table.count {
        let end = i + 2 + Int(table[i + 1])
        found.append((UInt32(table[i]), table[i + 2..<end].map(UInt32.init)))
        i = end
    }
    return found
}
