/// Normalizes a text part by part, so that a row that is full needs no more of a long text.
struct Normalization {
    /// Bytes after which a part ends at the next space.
    private static let partLength = 512

    private let normalizer: BertNormalizer
    private let source: UTF8Text
    private var position = 0
    /// The part of the normalized text that was made last.
    private(set) var part: [UInt8] = []
    /// Marks that are sorted once their run ends.
    private var marks: [UInt32] = []

    init(of source: UTF8Text, by normalizer: BertNormalizer) {
        self.source = source
        self.normalizer = normalizer
        part.reserveCapacity(min(source.count, Self.partLength) + 64)
    }

    /// Makes the next part, which ends with a space or is the last one; false at the end.
    mutating func advance() -> Bool {
        guard position < source.count else { return false }
        normalize(from: Self.partLength)
        return true
    }

    /// Makes the rest of the normalized text one part.
    mutating func advanceToEnd() { normalize(from: .max) }

    private mutating func normalize(from length: Int) {
        part.removeAll(keepingCapacity: true)
        while position < source.count {
            let (scalar, next) = source.scalar(at: position)
            position = next
            let entry = normalizer.entries[scalar]
            if entry.kind == .one {
                append(entry.value == 0 ? scalar : entry.value)
            } else {
                take(entry, of: scalar)
            }
            if part.count >= length, part[part.count - 1] == 0x20 { break }
        }
        endRun()
    }

    private mutating func take(_ entry: BertNormalizer.Entry, of scalar: UInt32) {
        switch entry.kind {
        case .one: append(entry.value == 0 ? scalar : entry.value)
        case .dropped: break
        case .barrier: endRun()
        case .mark: marks.append(entry.value)
        case .ideograph:
            append(0x20)
            append(entry.value == 0 ? scalar : entry.value)
            append(0x20)
        case .hangul: appendHangul(scalar - 0xAC00)
        case .sequence:
            for part in normalizer.sequences[Int(entry.value)] { take(part, of: scalar) }
        }
    }

    /// Appends the letters of a Hangul syllable (Unicode Standard, section 3.12).
    private mutating func appendHangul(_ index: UInt32) {
        append(0x1100 + index / 588)
        append(0x1161 + index % 588 / 28)
        if index % 28 > 0 { append(0x11A7 + index % 28) }
    }

    @inline(__always)
    private mutating func append(_ scalar: UInt32) {
        if !marks.isEmpty { endRun() }
        part.append(scalar: scalar)
    }

    private mutating func endRun() {
        guard !marks.isEmpty else { return }
        let classes = normalizer.combiningClasses
        // The offset keeps marks of the same class in their order.
        let sorted = marks.enumerated()
            .map { (class: classes[$0.element] ?? 0, offset: $0.offset, scalar: $0.element) }
            .sorted { ($0.class, $0.offset) < ($1.class, $1.offset) }
        for mark in sorted { part.append(scalar: mark.scalar) }
        marks.removeAll(keepingCapacity: true)
    }
}
