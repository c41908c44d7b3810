# An image of the web service: docker build -f launch/serve.Dockerfile -t REGISTRY/ferjax-serve .
# Run:   docker run --rm -p 127.0.0.1:8700:8700 --read-only --tmpfs /tmp -e FERJAX_API_KEY REGISTRY/ferjax-serve
#
# Edit: nothing; JAX is jax for a CPU, jax[cuda13] for NVIDIA GPUs.
FROM python:3.13-slim
ARG JAX="jax"
WORKDIR /ferjax
COPY requirements.txt requirements-dev.txt pyproject.toml README.md LICENSE ./
RUN pip install --no-cache-dir -r requirements.txt "$JAX" -c requirements.txt
COPY ferjax ferjax
COPY configs configs
# pip takes no constraint with an extra, such as moto[s3].
RUN sed "s/\[.*\]//" requirements-dev.txt > /tmp/constraints.txt \
    && pip install --no-cache-dir ".[serve,heic]" -c requirements.txt -c /tmp/constraints.txt \
    && useradd --create-home --uid 10001 ferjax
USER 10001
ENV PYTHONUNBUFFERED=1 JAX_COMPILATION_CACHE_DIR=/tmp/compiled
EXPOSE 8700
ENTRYPOINT ["python", "-m", "ferjax", "serve", "--host=0.0.0.0"]
