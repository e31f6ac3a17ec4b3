#!/usr/bin/env bash
# Say how a data set is had, and fetch what is open of it: scripts/download_dataset.sh celebdf /data/raw/celebdf
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
names="faceforensics dfd celebdf celebdf_v1 dfdc dfdc_preview df40 genimage cnndetection community_forensics folder mix sample shipped"
github=https://raw.githubusercontent.com
hub=https://huggingface.co/datasets
ffpp_lists="e59386911255e6fb0a79a7808ec2210536b8c0474268342694c4bca766d1b347 splits/train.json $github/ondyari/FaceForensics/master/dataset/splits/train.json -
b48cc511f66938e05356aaa9c67e150b1e3638c355db3d745225b0022884b36e splits/val.json $github/ondyari/FaceForensics/master/dataset/splits/val.json -
886f5a0da623c25820692e0d8dc33d197ddb1db527a7f1cfcb9bcbca60fe4f40 splits/test.json $github/ondyari/FaceForensics/master/dataset/splits/test.json -
- conversion_dict.json $github/ondyari/FaceForensics/master/dataset/conversion_dict.json -"
in_place="df40 genimage cnndetection community_forensics" # trained on as they are, without prepare.py

# Sets title, and where something is to be had: page, terms, size, steps and files. A line of files is SHA-256
# (- where nobody publishes one), path in the folder, address, and the folder that an archive becomes (or -).
describe() { # name, folder
    page="" terms="" size="" steps="" files=""
    case $1 in
    faceforensics)
        title="FaceForensics++: 1,000 clips of faces, each forged by five methods"
        page=https://github.com/ondyari/FaceForensics
        terms="non-commercial research, on request"
        size="about 10 GB as c23, 2 GB as c40, 500 GB as raw"
        steps="Ask with the form on the page; its authors send a script, download-FaceForensics.py.
python download-FaceForensics.py $2 -d all -c c23 -t videos
The same with -t masks brings the forged regions; all brings DFD too, which is data=dfd."
        files=$ffpp_lists
        ;;
    dfd)
        title="DeepFakeDetection (DFD): 363 clips of 28 actors, 3,068 face swaps"
        page=https://github.com/ondyari/FaceForensics
        terms="non-commercial research, on request"
        size="about 25 GB as c23, 3.4 GB as c40, 1.8 TB as raw"
        steps="Ask with the form on the page; its authors send a script, download-FaceForensics.py.
python download-FaceForensics.py $2 -d DeepFakeDetection_original -c c23 -t videos
python download-FaceForensics.py $2 -d DeepFakeDetection -c c23 -t videos"
        ;;
    celebdf)
        title="Celeb-DF v2: 890 clips from YouTube, 5,639 face swaps among celebrities"
        page=https://github.com/yuezunli/celeb-deepfakeforensics
        terms="non-commercial research, on request"
        size="6,529 videos"
        steps="Ask with the form on the page; its authors send a link. Unpack the archive into $2.
The list of testing videos is in the archive and is not published beside it."
        ;;
    celebdf_v1)
        title="Celeb-DF v1: 408 clips from YouTube, 795 face swaps; v2 contains it"
        page=https://github.com/yuezunli/celeb-deepfakeforensics
        terms="non-commercial research, on request"
        size="1,203 videos"
        steps="Ask with the form on the page; its authors send a link. Unpack the archive into $2."
        ;;
    dfdc)
        title="DFDC: the Deepfake Detection Challenge, more than 119,000 clips of paid actors"
        page=https://ai.meta.com/datasets/dfdc/
        terms="an agreement to accept before the download"
        size="just over 470 GB in 50 parts of about 10 GB"
        steps="Ask on the page, which leads to Amazon Web Services; the training parts are also on Kaggle, as the
competition deepfake-detection-challenge. Unpack them into $2; a few parts are enough for a start."
        ;;
    dfdc_preview)
        title="DFDC preview: 5,000 clips by two methods, published before the challenge"
        page=https://ai.meta.com/datasets/dfdc/
        terms="an agreement to accept before the download"
        size="5,000 videos"
        steps="Ask for the preview on the page, which leads to Amazon Web Services. Unpack it into $2."
        ;;
    df40)
        title="DF40: forty methods, 31 of them applied to FaceForensics++ and Celeb-DF"
        page=https://github.com/YZY-stack/DF40
        terms="CC BY-NC 4.0; the real images have the terms of FaceForensics++ and Celeb-DF"
        size="about 93 GB for testing and as much for training, both without real images"
        steps="Follow the links on the page to the crops, and to the real ones of FaceForensics++ and Celeb-DF-v2.
Unpack all into $2, and put the list of Celeb-DF v2, which comes with that set, beside them."
        files=$ffpp_lists
        ;;
    genimage)
        title="GenImage: a million pictures by eight generators, and photographs of ImageNet"
        page=https://github.com/GenImage-Dataset/GenImage
        terms="non-commercial (CC BY-NC-SA 4.0); the photographs are ImageNet's"
        size="hundreds of GB; one generator is enough for a start"
        steps="Open the Google Drive that the page links to, and fetch all parts of a generator (.z01, .z02, … and .zip).
7z x imagenet_ai_0419_sdv4.zip, in a folder of the generator's name in $2, joins and unpacks them.
checksums.csv has the MD5 of every part."
        files="- checksums.csv $github/GenImage-Dataset/GenImage/main/data/checksums.csv -"
        ;;
    cnndetection)
        title="CNNDetection (ForenSynths): ProGAN to train on, thirteen generators to test on"
        page=https://github.com/PeterWang512/CNNDetection
        terms="non-commercial (CC BY-NC-SA 4.0)"
        size="0.8 GB for validation and 20.1 GB for testing, fetched here; 75 GB for training"
        steps="The training set is progan_train.7z.001 to .007 of $hub/sywang/CNNDetection.
7z x progan_train.7z.001 && unzip progan_train.zip -d $2/train"
        files="7bce9385bde5407875bb829e321f812db53587e59611e105caf6175cf323f002 progan_val.zip $hub/sywang/CNNDetection/resolve/main/progan_val.zip val
d87eeff4eb6d1061f57620aa1bd54e699a18cc9860fcdc6a55bf4cf643008d85 CNN_synth_testset.zip $hub/sywang/CNNDetection/resolve/main/CNN_synth_testset.zip test"
        ;;
    community_forensics)
        title="Community Forensics: pictures by 4,803 generators"
        page=https://github.com/JeongsooP/Community-Forensics
        terms="research (CC BY 4.0; its small and its evaluation set CC BY-NC-SA 4.0), and each generator's own"
        size="1.1 TB, the small edition 278 GB in 186 tables of some 1.3 GB"
        steps=".venv/bin/hf download OwensLab/CommunityForensics-Small --repo-type dataset --local-dir $2-tables
A part of it: name tables, such as data/HFCF_small_0.parquet data/HFCF_small_93.parquet, behind the set's name;
about the first half are fakes, the others real. docs/datasets.md turns tables into the folders below."
        ;;
    shipped)
        title="Shipped: what the detector that comes along was trained on, in eight folders"
        page=https://ai.meta.com/datasets/dfdc/
        terms="research (DFDC's licence, and those of the pictures' owners)"
        size="about 22,000 pictures"
        steps="Nobody offers it as one. Ask for DFDC on the page, and cut faces out of its clips into dfdc_faces; the other
folders are pictures by the generators that are named below, and photographs. Any folder may be missing."
        ;;
    folder) title="Your own pictures or videos, or a table that names them" ;;
    mix) title="Several data sets at once" ;;
    sample) title="The default: photographs that installed packages ship; nothing to download" ;;
    esac
}

fail() { # sentence, status
    printf '%s\n' "$1" >&2
    exit "${2:-1}"
}

usage() {
    cat <<TEXT
usage: scripts/download_dataset.sh [NAME [FOLDER]]

Says on what terms a data set is had, which folders it wants and how to go on; with FOLDER, fetches there what
is open of it. Run the same command again after an interruption: it goes on where it stopped. Each file is
checked by its published SHA-256, or by the one that FOLDER/SHA256SUMS has noted when it was fetched first.

TEXT
    for name in $names; do
        describe "$name" FOLDER
        printf '  %-20s %s\n' "$name" "$title"
    done
    printf '\nFAKEDET_DATASETS_URL=<address of a folder> takes the files from a mirror, at NAME/<path in FOLDER>.\n'
}

# The wanted folders stand once, in the docstring of the reader that the config names.
layout() { # name
    local reader
    reader=$(sed -n 's/^_target_: \(.*\)\.[A-Za-z0-9]*$/\1/p' "$root/conf/data/$1.yaml" | tr . /)
    awk '/^```/ { if (inside) exit; inside = 1; next } inside' "$root/src/$reader.py" |
        sed -E -e 's#^(raw|root)/##' -e 's#([[:space:]])raw/#\1    #g' -e 's#([[:space:]])root/#\1     #g'
}

tell() { # name, folder
    printf '%s\n\n' "$title"
    [ -z "$page" ] || printf 'Page:   %s\nTerms:  %s\nSize:   %s\n\n%s\n\n' "$page" "$terms" "$size" "$steps"
    case $1 in
    mix | sample) ;;
    *)
        printf 'Wanted in %s:\n\n' "$2"
        layout "$1"
        printf '\n'
        ;;
    esac
}

next_command() { # name, folder
    case " folder $in_place " in
    *" $1 "*) printf 'Next: python src/train.py data=%s data.root=%s\n' "$1" "$2" ;;
    *)
        case $1 in
        sample) printf 'Next: python src/train.py\n' ;;
        mix) printf "Next: python src/train.py data=mix 'data.sets={celebdf: /data/celebdf, faceforensics: /data/ffpp}'\n" ;;
        shipped) printf 'Next: python src/prepare.py data=shipped data.raw=%s data.root=%s-faces face.margin=1.0 whole=always\n' "$2" "$2" ;;
        *) printf 'Next: python src/prepare.py data=%s data.raw=%s data.root=%s-faces\n' "$1" "$2" "$2" ;;
        esac
        ;;
    esac
}

sha256() { # file
    if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1
}

noted() { # folder, path
    [ ! -f "$1/SHA256SUMS" ] || awk -v path="$2" '$2 == path { print $1 }' "$1/SHA256SUMS"
}

# Have a file, and have the right one.
obtain() { # name, folder, SHA-256 or -, path, address
    local target=$2/$4 wanted=$3 address=$5 found
    [ "$wanted" != - ] || wanted=$(noted "$2" "$4")
    [ -z "${FAKEDET_DATASETS_URL:-}" ] || address=${FAKEDET_DATASETS_URL%/}/$1/$4
    if [ -f "$target" ]; then
        found=$(sha256 "$target")
        [ "$found" = "${wanted:-$found}" ] || fail "$target has another SHA-256 than it should: delete it and run this again."
    else
        [ -n "$wanted" ] || rm -f "$target.part" # what no hash can prove is not pieced together
        download "$address" "$target"
        found=$(sha256 "$target.part")
        if [ "$found" != "${wanted:-$found}" ]; then
            rm -f "$target.part"
            fail "$address is not kept, for it has another SHA-256 ($found) than it should ($wanted): see $page for news."
        fi
        mv "$target.part" "$target"
    fi
    [ -n "$(noted "$2" "$4")" ] || printf '%s  %s\n' "$found" "$4" >>"$2/SHA256SUMS"
    printf '%s is there, SHA-256 %s\n' "$target" "$found"
}

download() { # address, target
    local part=$2.part status=0 progress=--silent answer
    mkdir -p "$(dirname "$2")" 2>/dev/null || fail "The folder $(dirname "$2") cannot be made."
    [ ! -t 2 ] || progress=--progress-bar
    printf 'Downloading %s\n' "$1" >&2
    answer=$(curl "$progress" --fail --location --proto =http,https --connect-timeout 20 --speed-limit 1000 \
        --speed-time 60 --continue-at - --output "$part" --write-out '%{http_code}' "$1") || status=$?
    case $status in
    0) ;;
    5 | 6 | 7) fail "There is no connection to $1: run this again with a network, or fetch it elsewhere and put it at $2." ;;
    22) fail "$1 is not to be had (the server says $answer): get it by way of $page and put it at $2." ;;
    23) fail "$part cannot be written: make room on its disk and run this again." ;;
    33) # this server cannot go on in the middle
        rm -f "$part"
        download "$1" "$2"
        ;;
    *) fail "The download of $1 broke off (curl's error $status): run this again, it goes on where it stopped." ;;
    esac
}

# All or nothing; folders that an archive wraps around its content are left off.
unpack() { # archive, folder that it becomes
    local temporary inside target=$2
    temporary=$(dirname "$target")/.$(basename "$target").part
    inside=$temporary
    rm -rf "$temporary"
    mkdir "$temporary"
    printf 'Unpacking %s\n' "$1" >&2
    python3 -m zipfile -e "$1" "$temporary" 2>/dev/null ||
        fail "$1 cannot be unpacked into $temporary: make room on its disk and run this again."
    set -- "$inside"/*
    while [ $# -eq 1 ] && [ -d "$1" ]; do
        inside=$1
        set -- "$inside"/*
    done
    mv "$inside" "$target"
    rm -rf "$temporary"
    printf '%s is there; its archive is not needed any more.\n' "$target"
}

fetch() { # name, folder
    local tool digest path address becomes
    for tool in curl python3; do
        command -v "$tool" >/dev/null || fail "$tool is needed to fetch files: install it."
    done
    while read -r digest path address becomes; do
        if [ "$becomes" = - ]; then
            obtain "$1" "$2" "$digest" "$path" "$address"
        elif [ -d "$2/$becomes" ]; then
            printf '%s is there.\n' "$2/$becomes"
        else
            obtain "$1" "$2" "$digest" "$path" "$address"
            unpack "$2/$path" "$2/$becomes"
        fi
    done <<<"$files"
}

case ${1:-} in
"" | -h | --help)
    usage
    exit
    ;;
esac
[ $# -le 2 ] || fail "One data set and one folder at a time: scripts/download_dataset.sh NAME FOLDER." 2
known=""
for name in $names; do
    [ "$name" != "$1" ] || known=yes
done
[ -n "$known" ] || fail "There is no data set $1; choose from ${names// /, }." 2
describe "$1" "${2:-FOLDER}"
tell "$1" "${2:-FOLDER}"
if [ -n "$files" ] && [ $# -eq 2 ]; then
    fetch "$1" "$2"
    printf '\n'
elif [ -n "$files" ]; then
    printf 'With a FOLDER, this command fetches:%s\n\n' "$(printf '%s\n' "$files" | awk '{ printf " %s", $2 }')"
fi
next_command "$1" "${2:-FOLDER}"
