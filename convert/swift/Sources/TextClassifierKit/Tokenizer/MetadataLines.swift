/// The lines of a value in the metadata, as bytes.
///
/// Lines end at "\n" only: a token may contain any other line separator.
struct MetadataLines: Sendable {
    private let bytes: [UInt8]
    private var ends: [Int] = []

    init(_ text: String) {
        bytes = Array(text.utf8)
        for (i, byte) in bytes.enumerated() where byte == UInt8(ascii: "\n") { ends.append(i) }
        if let last = bytes.last, last != UInt8(ascii: "\n") { ends.append(bytes.count) }
    }

    var count: Int { ends.count }

    /// The number of bytes of all lines.
    var totalBytes: Int { bytes.count }

    subscript(line: Int) -> ArraySlice<UInt8> {
        bytes[(line == 0 ? 0 : ends[line - 1] + 1)..<ends[line]]
    }
}
