import Foundation

/// The machine that a check ran on.
enum Machine {
    /// Its system, chip, cores and memory.
    static var description: String {
        let process = ProcessInfo.processInfo
        let parts = [
            process.operatingSystemVersionString, chip, "\(process.processorCount) cores",
            "\(process.physicalMemory >> 30) GB",
        ]
        return parts.compactMap { $0 }.joined(separator: ", ")
    }

    /// The name of the chip, such as Apple M3; nil where the system does not tell it.
    private static var chip: String? {
        #if os(macOS)
            var size = 0
            let name = "machdep.cpu.brand_string"
            guard sysctlbyname(name, nil, &size, nil, 0) == 0, size > 1 else { return nil }
            var bytes = [UInt8](repeating: 0, count: size)
            guard sysctlbyname(name, &bytes, &size, nil, 0) == 0 else { return nil }
            return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        #else
            return nil
        #endif
    }
}
