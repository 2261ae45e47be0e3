# docker build -t camscope .
# docker run --rm --init -p 127.0.0.1:8501:8501 --read-only --tmpfs /tmp -v camscope:/data camscope
#
# Torch for graphics cards is 2.7 GB to fetch, for processors alone 0.2 GB: where there is no card, build with
# `--build-arg PIP_EXTRA_INDEX_URL=…`, the address that pytorch.org gives for installing it for CPUs.
FROM python:3.11-slim

# OpenMP: see explain/__init__.py. HOME is where timm keeps weights fetched from its hub.
ENV OMP_WAIT_POLICY=PASSIVE \
    PIP_NO_CACHE_DIR=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/srv \
    CAMSCOPE_HOME=/data

# Whoever mounts secrets.toml gives it to this number. A volume takes its owner from the folder that it is mounted on.
RUN useradd --uid 1000 --home-dir /srv --no-create-home camscope \
    && install -d -o camscope -g camscope /srv /data

WORKDIR /camscope
COPY requirements.txt constraints.txt requirements-server.txt ./
ARG PIP_EXTRA_INDEX_URL
# OpenCV without windows is the same, and needs nothing of a desktop. Nobody runs the packages' own tests here.
RUN sed -i 's/^opencv-python==/opencv-python-headless==/' requirements.txt constraints.txt \
    && python -m pip install -r requirements-server.txt \
    && find /usr/local/lib/python3.11/site-packages -type d \( -name test -o -name tests \) -prune -exec rm -r {} +
COPY . .

USER 1000
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=15s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://localhost:8501/live', timeout=10)"]

# Inside the container every address, so that the published port reaches it; `-p 127.0.0.1:…` keeps it on the machine.
CMD ["python", "-m", "streamlit", "run", "app.py", "--server.address", "0.0.0.0", "--server.port", "8501"]
