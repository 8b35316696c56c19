# The server, without root and without a compiler. docs/serving.md, "Outgrowing one machine", says how it is run.
FROM python:3.11-slim
# pip reads this variable: an index with PyTorch's CPU build. Without it the image gets the build for CUDA, of some GB.
ARG PIP_EXTRA_INDEX_URL
RUN useradd --create-home --uid 1000 trivium
WORKDIR /opt/trivium
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
COPY recipes recipes
COPY learn learn
COPY tours tours
RUN python -m pip install --no-cache-dir -c constraints.txt ".[fast,serve,json]"
USER trivium
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/ready')"]
ENTRYPOINT ["trivium", "serve", "--host", "0.0.0.0", "--key-file", "/run/secrets/trivium_key"]
CMD ["/model"]
