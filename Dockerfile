# docker build -t camscope .
# docker run --rm -p 127.0.0.1:8501:8501 camscope
FROM python:3.11-slim

# OpenMP: see explain/__init__.py. HOME is where timm keeps weights fetched from its hub.
ENV OMP_WAIT_POLICY=PASSIVE \
    PIP_NO_CACHE_DIR=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/srv

# What opencv-python loads from the system.
RUN apt-get update && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 && rm -rf /var/lib/apt/lists/*

WORKDIR /camscope
COPY requirements.txt constraints.txt requirements-server.txt ./
RUN python -m pip install -r requirements-server.txt \
    && useradd --home-dir /srv --create-home camscope
COPY . .

USER camscope
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://localhost:8501/_stcore/health', timeout=4)"]

# Inside the container every address, so that the published port reaches it; `-p 127.0.0.1:…` keeps it on the machine.
CMD ["python", "-m", "streamlit", "run", "app.py", "--server.address", "0.0.0.0", "--server.port", "8501"]
