# LangChain, LlamaIndex, Haystack and Chroma find the right documents with the package's classes.

import asyncio

import gemvec
from conftest import BEST, DOCUMENTS, QUERIES, close


def test_langchain(model):
    from gemvec.langchain import GemvecEmbeddings
    from langchain_core.embeddings import Embeddings
    from langchain_core.vectorstores import InMemoryVectorStore

    embeddings = GemvecEmbeddings(model)
    assert isinstance(embeddings, Embeddings)
    assert close(embeddings.embed_query(QUERIES[0]), model.encode_query(QUERIES[0]))
    assert close(embeddings.embed_documents(DOCUMENTS), model.encode_document(DOCUMENTS))
    assert close(asyncio.run(embeddings.aembed_query(QUERIES[0])), model.encode_query(QUERIES[0]))
    store = InMemoryVectorStore(embeddings)
    store.add_texts([text for text in DOCUMENTS if text])
    for query, best in zip(QUERIES, BEST, strict=True):
        assert store.similarity_search(query, k=1)[0].page_content == DOCUMENTS[best]
    short = GemvecEmbeddings(dtype="q8", truncate_dim=128)
    assert len(short.embed_query("x")) == 128 and isinstance(short.embed_query("x")[0], float)


def test_llama_index(model):
    from gemvec.llama_index import GemvecEmbedding
    from llama_index.core import MockEmbedding, Settings, VectorStoreIndex
    from llama_index.core.schema import TextNode

    assert MockEmbedding
    embedding = GemvecEmbedding(model)
    assert close(embedding.get_query_embedding(QUERIES[0]), model.encode_query(QUERIES[0]))
    assert close(embedding.get_text_embedding_batch(DOCUMENTS), model.encode_document(DOCUMENTS))
    assert close(asyncio.run(embedding.aget_text_embedding(DOCUMENTS[0])), model.encode_document(DOCUMENTS[0]))
    Settings.embed_model = embedding
    index = VectorStoreIndex([TextNode(text=text) for text in DOCUMENTS if text], embed_model=embedding)
    retriever = index.as_retriever(similarity_top_k=1)
    for query, best in zip(QUERIES, BEST, strict=True):
        assert retriever.retrieve(query)[0].node.get_content() == DOCUMENTS[best]


def test_haystack(model):
    from gemvec.haystack import GemvecDocumentEmbedder, GemvecTextEmbedder
    from haystack import Document, Pipeline
    from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    documents = [Document(content=text, meta={"title": f"T{i}"}) for i, text in enumerate(DOCUMENTS)]
    plain = GemvecDocumentEmbedder(model_options={"dtype": "fp32"})
    embedded = plain.run(documents)["documents"]
    assert close([document.embedding for document in embedded], model.encode_document(DOCUMENTS))
    assert documents[0].embedding is None
    titled = GemvecDocumentEmbedder(title_field="title", model_options={"dtype": "fp32"}).run(documents[:1])["documents"]
    assert close(titled[0].embedding, model.encode_document(DOCUMENTS[0], title="T0"))

    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    store.write_documents(embedded)
    pipeline = Pipeline()
    pipeline.add_component("embedder", GemvecTextEmbedder(model_options={"dtype": "fp32"}))
    pipeline.add_component("retriever", InMemoryEmbeddingRetriever(store, top_k=1))
    pipeline.connect("embedder.embedding", "retriever.query_embedding")
    for query, best in zip(QUERIES, BEST, strict=True):
        assert pipeline.run({"embedder": {"text": query}})["retriever"]["documents"][0].content == DOCUMENTS[best]
    again = GemvecTextEmbedder.from_dict(GemvecTextEmbedder(prompt_name="STS").to_dict())
    assert again.prompt_name == "STS"


def test_chroma(tmp_path):
    import chromadb
    from gemvec.chroma import GemvecEmbeddingFunction

    client = chromadb.PersistentClient(str(tmp_path))
    collection = client.create_collection("planets", embedding_function=GemvecEmbeddingFunction(dtype="fp32"))
    ids = [str(i) for i, text in enumerate(DOCUMENTS) if text]
    collection.add(ids=ids, documents=[DOCUMENTS[int(i)] for i in ids])
    stored = collection.get(ids=["0"], include=["embeddings"])["embeddings"]
    model = gemvec.EmbeddingGemma(dtype="fp32")
    assert close(stored[0], model.encode_document(DOCUMENTS[0]))
    found = collection.query(query_texts=QUERIES, n_results=1)["ids"]
    assert [int(row[0]) for row in found] == BEST
    reopened = chromadb.PersistentClient(str(tmp_path)).get_collection("planets")  # with what it wrote down
    assert reopened.query(query_texts=QUERIES[:1], n_results=1)["ids"] == [["1"]]
